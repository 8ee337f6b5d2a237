//! Independent pieces of work on several threads.

use std::sync::Mutex;
use std::sync::PoisonError;

use crate::BatchError;

/// Does `work` for each item, `threads` at a time, items in order, and returns the results in the order of the
/// items. The first failure ends it.
pub(crate) fn for_each<I: Send, O: Send>(
    items: Vec<I>,
    threads: usize,
    what: &'static str,
    work: impl Fn(I) -> Result<O, BatchError> + Sync,
) -> Result<Vec<O>, BatchError> {
    let queue = Mutex::new(items.into_iter().enumerate());
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    // Nothing is left to take after a failure.
    let stop = || queue.lock().unwrap_or_else(PoisonError::into_inner).by_ref().for_each(drop);
    let run = || {
        let mut done = Vec::new();
        while let Some((at, item)) = take() {
            match work(item) {
                Ok(output) => done.push((at, output)),
                Err(error) => {
                    stop();
                    return Err(error);
                }
            }
        }
        Ok(done)
    };
    let results: Vec<Result<Vec<(usize, O)>, BatchError>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(run)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap_or(Err(BatchError::Broken(what)))).collect()
    });
    let mut done = Vec::new();
    for result in results {
        done.extend(result?);
    }
    done.sort_unstable_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, output)| output).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let doubled = for_each((0..100).collect(), 3, "count", |n| Ok(n * 2)).unwrap();
        assert_eq!(doubled, (0..100).map(|n| n * 2).collect::<Vec<_>>());
    }

    #[test]
    fn one_failure_fails_all() {
        let work = |n| if n == 7 { Err(BatchError::NothingToCompute) } else { Ok(n) };
        assert!(matches!(for_each((0..100).collect(), 3, "count", work), Err(BatchError::NothingToCompute)));
        let panics = |n: u32| if n == 7 { panic!("on purpose") } else { Ok(n) };
        assert!(matches!(for_each((0..9).collect(), 2, "count", panics), Err(BatchError::Broken("count"))));
    }
}

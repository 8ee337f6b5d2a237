//! Weighted choice in constant time, by A. J. Walker's alias method (1977) as M. D. Vose builds its table (1991).

/// Places with weights, of which one is drawn at a time.
#[derive(Clone, Debug)]
pub(crate) struct Alias {
    slots: Vec<Slot>,
}

/// One slot of equal probability, shared by two places.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The part of the slot that is its own place's, of 2^64.
    own: u64,
    other: u32,
}

/// 2^64.
const WHOLE: f64 = 18_446_744_073_709_551_616.0;

impl Alias {
    /// A table of places with these weights, which are not negative. What is drawn from a table without any weight is
    /// any of its places.
    pub(crate) fn new(weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let scale = weights.len() as f64 / total;
        let mut part: Vec<f64> = weights.iter().map(|weight| weight * scale).collect();
        let mut slots: Vec<Slot> =
            (0..weights.len()).map(|place| Slot { own: u64::MAX, other: place as u32 }).collect();
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for (place, part) in part.iter().enumerate() {
            if *part < 1.0 { small.push(place) } else { large.push(place) }
        }
        while let (Some(poor), Some(rich)) = (small.pop(), large.pop()) {
            slots[poor] = Slot { own: (part[poor] * WHOLE) as u64, other: rich as u32 };
            part[rich] -= 1.0 - part[poor];
            if part[rich] < 1.0 { small.push(rich) } else { large.push(rich) }
        }
        // What is left over by rounding has its slot for itself, unless it has no weight at all.
        let heaviest = (0..weights.len()).max_by(|a, b| weights[*a].total_cmp(&weights[*b])).unwrap_or(0);
        for place in small {
            if weights[place] == 0.0 {
                slots[place] = Slot { own: 0, other: heaviest as u32 };
            }
        }
        Self { slots }
    }

    /// The place that `bits` stand for. The table must not be empty.
    pub(crate) fn pick(&self, bits: u64) -> usize {
        let product = u128::from(bits) * self.slots.len() as u128;
        let place = (product >> 64) as usize;
        let slot = self.slots[place];
        if (product as u64) < slot.own { place } else { slot.other as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::mix;

    #[test]
    fn places_are_drawn_by_their_weights() {
        let weights = [3.0, 0.0, 1.0, 0.5, 0.0, 5.5];
        let alias = Alias::new(&weights);
        let mut drawn = [0_u32; 6];
        for draw in 0..100_000 {
            drawn[alias.pick(mix(1, draw))] += 1;
        }
        for (weight, drawn) in weights.into_iter().zip(drawn) {
            let share = f64::from(drawn) / 100_000.0;
            assert!((share - weight / 10.0).abs() < 0.005, "{share} for {weight}");
            assert_eq!(drawn == 0, weight == 0.0);
        }
    }

    #[test]
    fn the_only_place_is_always_drawn() {
        let alias = Alias::new(&[0.3]);
        assert_eq!((alias.pick(0), alias.pick(u64::MAX)), (0, 0));
    }
}

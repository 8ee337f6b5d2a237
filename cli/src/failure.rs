//! How a command ends when it does not end well.

use std::process::ExitCode;

/// Why a command failed. A user's error ends with exit code 2, calls that look wrong with 3, everything else with 1.
#[derive(Debug)]
pub(crate) struct Failure {
    error: anyhow::Error,
    code: u8,
}

/// What every command returns.
pub(crate) type Outcome = Result<(), Failure>;

impl Failure {
    /// Something the user gave or asked for cannot work.
    pub(crate) fn user(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), code: 2 }
    }

    /// Something that ought to work does not.
    pub(crate) fn internal(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), code: 1 }
    }

    /// What was read is not fit to be published: a person has to look.
    pub(crate) fn quality(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), code: 3 }
    }

    /// The same failure, and around it what it means for what was being done.
    pub(crate) fn context(self, what: String) -> Self {
        Self { error: self.error.context(what), code: self.code }
    }

    /// The error alone, for one who goes on without.
    pub(crate) fn into_error(self) -> anyhow::Error {
        self.error
    }

    /// Says what is wrong, with its causes, on the error stream.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("tollwatch: {}", chained(&self.error));
        ExitCode::from(self.code)
    }
}

/// The error and its causes, those left out that an error before them tells already.
pub(crate) fn chained(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, next| match () {
        () if told.is_empty() => next,
        () if told.contains(&next) => told,
        () => format!("{told}: {next}"),
    })
}

/// Puts an error on the user's account or on ours.
pub(crate) trait Blame<T> {
    /// The user can mend it.
    fn or_user(self) -> Result<T, Failure>;
    /// The user cannot.
    fn or_internal(self) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> Blame<T> for Result<T, E> {
    fn or_user(self) -> Result<T, Failure> {
        self.map_err(Failure::user)
    }

    fn or_internal(self) -> Result<T, Failure> {
        self.map_err(Failure::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let cause = std::io::Error::other("the disk is full");
        let error =
            anyhow::Error::new(cause).context("cannot write: the disk is full; make room").context("no import");
        assert_eq!(chained(&error), "no import: cannot write: the disk is full; make room");
        let error = anyhow::Error::new(std::io::Error::other("gone")).context("cannot read");
        assert_eq!(chained(&error), "cannot read: gone");
    }
}

//! The temporary folder of a command.

use batch::RunFolder;

use crate::failure::{Blame as _, Failure};

/// Makes one where the system has its temporary files, and removes those of commands that died.
pub(crate) fn make() -> Result<RunFolder, Failure> {
    RunFolder::make(&std::env::temp_dir()).or_user()
}

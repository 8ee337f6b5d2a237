//! What the environment tells the function.

/// Everything the function is told when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// `FEATURES_FILE`: the definitions in the function's zip, for the region of national numbers; `None` for the default
    /// set.
    pub features_file: Option<String>,
    /// `STACK`: the dimension of metrics; `None`: none are written.
    pub stack: Option<String>,
}

impl Configuration {
    /// Reads the variables through `variable`. One that is empty counts as not set.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        Self { features_file: variable("FEATURES_FILE"), stack: variable("STACK") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_name_of_a_file_is_none() {
        let read = |value: &str| Configuration::read(|name| (name == "FEATURES_FILE").then(|| value.to_owned()));
        assert_eq!(read("").features_file, None);
        assert_eq!(read("/var/task/features.toml").features_file.as_deref(), Some("/var/task/features.toml"));
    }
}

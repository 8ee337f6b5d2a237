//! A template as data, its short forms (`!Ref`, `!Sub`, ...) as the long ones.

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// A template that can be asked, and changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(pub Value);

/// A file that is no template: where, and why.
#[derive(Debug)]
pub struct YamlError(String);

impl std::fmt::Display for YamlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for YamlError {}

impl Template {
    /// Reads a template's text.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        let documents = Yaml::load_from_str(text).map_err(|error| YamlError(error.to_string()))?;
        let [document] = documents.as_slice() else {
            return Err(YamlError(format!("{} documents where one was expected", documents.len())));
        };
        value(document).map(Self)
    }

    /// Resources by logical id.
    pub fn resources(&self) -> impl Iterator<Item = (&str, &Value)> {
        entries(&self.0["Resources"])
    }

    /// Resources of one type.
    pub fn of_type(&self, kind: &str) -> impl Iterator<Item = (&str, &Value)> {
        self.resources().filter(move |(_, resource)| resource["Type"] == kind)
    }

    /// Functions with their environment, that of `Globals` included.
    pub fn functions(&self) -> impl Iterator<Item = (&str, &Value, Vec<&str>)> {
        self.of_type("AWS::Serverless::Function").map(|(id, function)| {
            let shared = &self.0["Globals"]["Function"]["Environment"]["Variables"];
            let own = &function["Properties"]["Environment"]["Variables"];
            (id, function, entries(shared).chain(entries(own)).map(|(name, _)| name).collect())
        })
    }

    /// Parameters with their defaults as text.
    pub fn parameters(&self) -> Vec<(&str, String)> {
        let default = |parameter: &Value| match &parameter["Default"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        entries(&self.0["Parameters"]).map(|(name, parameter)| (name, default(parameter))).collect()
    }

    /// Names of alarms without the stack's, by logical id.
    pub fn alarms(&self) -> Vec<(&str, String)> {
        let name = |alarm: &Value| {
            let text = alarm["Properties"]["AlarmName"]["Fn::Sub"].as_str().unwrap_or_default();
            text.strip_prefix("${AWS::StackName}-").unwrap_or_default().to_owned()
        };
        self.of_type("AWS::CloudWatch::Alarm").map(|(id, alarm)| (id, name(alarm))).collect()
    }
}

/// Entries of an object, or none.
pub(crate) fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

/// A list's items; something that is no list is one item, and nothing is none.
pub(crate) fn items(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        other => vec![other],
    }
}

/// All values that a property may have: both branches of `Fn::If`, without those that are no value.
pub(crate) fn possible(value: &Value) -> Vec<&Value> {
    match value.get("Fn::If").and_then(Value::as_array) {
        Some(branches) => branches.iter().skip(1).flat_map(possible).collect(),
        None if *value == json!({"Ref": "AWS::NoValue"}) => Vec::new(),
        None => vec![value],
    }
}

/// Visits a value and everything in it.
pub(crate) fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(fields) => fields.values().for_each(|field| walk(field, visit)),
        _ => {}
    }
}

/// Logical ids and parameters that a value names, by `Ref`, `Fn::GetAtt` and `Fn::Sub`.
pub(crate) fn references(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(value, &mut |part| {
        if let Some(name) = part.get("Ref").and_then(Value::as_str) {
            found.push(name.to_owned());
        }
        if let Some(name) = part.get("Fn::GetAtt").and_then(|path| path[0].as_str()) {
            found.push(name.to_owned());
        }
        if let Some(text) = part.get("Fn::Sub").and_then(Value::as_str) {
            found.extend(substituted(text).into_iter().map(|name| name.split('.').next().unwrap_or(name).to_owned()));
        }
    });
    found
}

/// What `${...}` in a text of `Fn::Sub` names.
pub fn substituted(text: &str) -> Vec<&str> {
    let parts = text.split("${").skip(1);
    parts
        .filter_map(|part| part.split_once('}').map(|(name, _)| name))
        .filter(|name| !name.starts_with('!'))
        .collect()
}

fn value(yaml: &Yaml<'_>) -> Result<Value, YamlError> {
    Ok(match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(flag)) => json!(flag),
        Yaml::Value(Scalar::Integer(number)) => json!(number),
        Yaml::Value(Scalar::FloatingPoint(number)) => json!(number.into_inner()),
        Yaml::Value(Scalar::String(text)) => json!(text),
        Yaml::Sequence(items) => Value::Array(items.iter().map(value).collect::<Result<_, _>>()?),
        Yaml::Mapping(fields) => {
            let field = |(key, field): (&Yaml<'_>, &Yaml<'_>)| match key.as_str() {
                Some(key) => Ok((key.to_owned(), value(field)?)),
                None => Err(YamlError(format!("a key that is no text: {key:?}"))),
            };
            Value::Object(fields.iter().map(field).collect::<Result<Map<_, _>, _>>()?)
        }
        Yaml::Tagged(tag, inner) => long_form(&tag.suffix, &value(inner)?),
        other => return Err(YamlError(format!("not part of a template: {other:?}"))),
    })
}

/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html>
fn long_form(tag: &str, value: &Value) -> Value {
    match tag {
        "Ref" | "Condition" => json!({ tag: value }),
        "GetAtt" => match value.as_str().and_then(|path| path.split_once('.')) {
            Some((id, attribute)) => json!({"Fn::GetAtt": [id, attribute]}),
            None => json!({"Fn::GetAtt": value}),
        },
        other => json!({ format!("Fn::{other}"): value }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn short_forms_are_long_ones() {
        let text =
            "a: !Ref X\nb: !GetAtt Y.Arn\nc: !If [Z, !Sub '${V.Arn}/${AWS::Region}', !Ref 'AWS::NoValue']\nd: 'on'\n";
        let template = Template::parse(text).unwrap();
        assert_eq!(template.0["a"], json!({"Ref": "X"}));
        assert_eq!(template.0["b"], json!({"Fn::GetAtt": ["Y", "Arn"]}));
        assert_eq!(references(&template.0), ["X", "Y", "V", "AWS::Region", "AWS::NoValue"]);
        assert_eq!(possible(&template.0["c"]), [&json!({"Fn::Sub": "${V.Arn}/${AWS::Region}"})]);
        assert_eq!(template.0["d"], "on");
        assert!(Template::parse("a: 1\n---\nb: 2\n").is_err());
    }
}

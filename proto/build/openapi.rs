//! Describes the JSON form of the services (Connect unary: POST, and GET where a method has no side effects) as OpenAPI
//! 3.1. Everything is taken from the `.proto` files: comments become descriptions.
//!
//! <https://connectrpc.com/docs/protocol>, <https://protobuf.dev/programming-guides/json>

use std::collections::BTreeMap;
use std::error::Error;

use protox::prost_reflect::prost_types::method_options::IdempotencyLevel;
use protox::prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    ServiceDescriptor,
};

use crate::yaml::Node;

/// What every description says once.
const ABOUT: &str = "\
Every method is a POST of a JSON object; methods without side effects are a GET too. It is the JSON form of protobuf, \
by the Connect protocol: the same methods are served over gRPC and gRPC-Web.

- A field of a response that has its default value (0, false, an empty text or list, the first name of an enum) is left \
out.
- Whole numbers of 64 bits are texts.
- A client ought to ignore fields and names of enums that it does not know: they are added without notice.";

/// Connect's codes and the HTTP statuses that carry them.
const CODES: [(&str, u16); 16] = [
    ("canceled", 499),
    ("unknown", 500),
    ("invalid_argument", 400),
    ("deadline_exceeded", 504),
    ("not_found", 404),
    ("already_exists", 409),
    ("permission_denied", 403),
    ("resource_exhausted", 429),
    ("failed_precondition", 400),
    ("aborted", 409),
    ("out_of_range", 400),
    ("unimplemented", 501),
    ("internal", 500),
    ("unavailable", 503),
    ("data_loss", 500),
    ("unauthenticated", 401),
];

/// The document for the services of these files, as YAML.
pub fn document(files: &[&str]) -> Result<String, Box<dyn Error>> {
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    let pool: DescriptorPool = compiler.descriptor_pool();
    let files = files.iter().map(|name| pool.get_file_by_name(name).ok_or(format!("{name} is not in the pool")));
    let services: Vec<ServiceDescriptor> =
        files.collect::<Result<Vec<FileDescriptor>, _>>()?.iter().flat_map(FileDescriptor::services).collect();

    let mut schemas = BTreeMap::from([("connect.Error".to_owned(), error_schema())]);
    for method in services.iter().flat_map(ServiceDescriptor::methods) {
        add_message(&method.input(), &mut schemas);
        add_message(&method.output(), &mut schemas);
    }
    let paths = services.iter().flat_map(ServiceDescriptor::methods).map(|method| path(&method)).collect();
    let tag = |service: &ServiceDescriptor| {
        let about = comment(&service.parent_file(), service.path());
        map([("name", service.full_name().into()), ("description", about.into())])
    };
    let document = map([
        ("openapi", "3.1.0".into()),
        (
            "info",
            map([
                ("title", "Tollwatch".into()),
                ("version", env!("CARGO_PKG_VERSION").into()),
                ("description", ABOUT.into()),
                ("license", map([("name", "Apache 2.0".into()), ("identifier", "Apache-2.0".into())])),
            ]),
        ),
        ("servers", list([map([("url", "/".into()), ("description", "The server that this came from".into())])])),
        // A server that asks for no token takes requests without one.
        ("security", list([map([]), map([("token", list([]))])])),
        ("tags", Node::List(services.iter().map(tag).collect())),
        ("paths", Node::Map(paths)),
        (
            "components",
            map([
                ("schemas", Node::Map(schemas.into_iter().collect())),
                ("parameters", parameters()),
                ("responses", map([("Error", error_response())])),
                ("securitySchemes", map([("token", map([("type", "http".into()), ("scheme", "bearer".into())]))])),
            ]),
        ),
    ]);
    Ok(document.to_yaml()?)
}

/// The path of a method and its operations.
fn path(method: &MethodDescriptor) -> (String, Node) {
    let service = method.parent_service();
    let mut operations = vec![("post".to_owned(), operation(method, false))];
    let options = method.method_descriptor_proto().options.clone().unwrap_or_default();
    if options.idempotency_level() == IdempotencyLevel::NoSideEffects {
        operations.push(("get".to_owned(), operation(method, true)));
    }
    (format!("/{}/{}", service.full_name(), method.name()), Node::Map(operations))
}

fn operation(method: &MethodDescriptor, is_get: bool) -> Node {
    let service = method.parent_service();
    let about = comment(&service.parent_file(), method.path());
    let summary = about.split_inclusive(". ").next().unwrap_or_default().trim().trim_end_matches('.').to_owned();
    let id = format!("{}{}", method.full_name().replace('.', "_"), if is_get { "_Get" } else { "" });
    let mut fields = vec![
        ("tags", list([service.full_name().into()])),
        ("operationId", id.into()),
        ("summary", summary.into()),
        ("description", about.into()),
    ];
    let parameter = |name: &str| reference("parameters", name);
    let input = json_of(&method.input());
    if is_get {
        let message = map([
            ("name", "message".into()),
            ("in", "query".into()),
            ("description", "The request, percent-encoded.".into()),
            ("required", Node::Bool(true)),
            ("content", input),
        ]);
        fields.push(("parameters", list([message, parameter("Encoding"), parameter("Connect")])));
    } else {
        fields.push(("parameters", list([parameter("ProtocolVersion"), parameter("TimeoutMs")])));
        fields.push(("requestBody", map([("required", Node::Bool(true)), ("content", input)])));
    }
    let output = comment(&method.output().parent_file(), method.output().path());
    let success = map([("description", output.into()), ("content", json_of(&method.output()))]);
    fields.push(("responses", map([("200", success), ("default", reference("responses", "Error"))])));
    map(fields)
}

fn json_of(message: &MessageDescriptor) -> Node {
    map([("application/json", map([("schema", reference("schemas", message.full_name()))]))])
}

/// Adds a message and all that it refers to.
fn add_message(message: &MessageDescriptor, schemas: &mut BTreeMap<String, Node>) {
    if schemas.contains_key(message.full_name()) || well_known(message).is_some() {
        return;
    }
    // It may refer to itself.
    schemas.insert(message.full_name().to_owned(), Node::Bool(true));
    let properties =
        message.fields().map(|field| (field.json_name().to_owned(), property(&field, schemas))).collect();
    let mut schema = vec![
        ("type", "object".into()),
        ("description", comment(&message.parent_file(), message.path()).into()),
        ("properties", Node::Map(properties)),
    ];
    let choices: Vec<Node> =
        message.oneofs().filter(|oneof| !oneof.is_synthetic()).flat_map(|oneof| at_most_one(&oneof)).collect();
    if !choices.is_empty() {
        schema.push(("allOf", Node::List(choices)));
    }
    schemas.insert(message.full_name().to_owned(), map(schema));
}

/// That no two fields of a oneof are there.
fn at_most_one(oneof: &protox::prost_reflect::OneofDescriptor) -> Vec<Node> {
    let names: Vec<String> = oneof.fields().map(|field| field.json_name().to_owned()).collect();
    let pairs = names.iter().enumerate().flat_map(|(at, one)| names[at + 1..].iter().map(move |other| [one, other]));
    pairs
        .map(|pair| {
            let both = pair.map(|name| Node::from(name.as_str()));
            map([("not", map([("required", list(both))]))])
        })
        .collect()
}

fn property(field: &FieldDescriptor, schemas: &mut BTreeMap<String, Node>) -> Node {
    let file = field.parent_message().parent_file();
    let mut about = comment(&file, field.path());
    if let Some(oneof) = field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
        let others = oneof.fields().filter(|other| other.number() != field.number());
        let others: Vec<String> = others.map(|other| format!("`{}`", other.json_name())).collect();
        about = format!("{about}\n\nNot together with {}.", others.join(", "));
    }
    let schema = if field.is_map() {
        let Kind::Message(entry) = field.kind() else { unreachable!("a map has entries") };
        let values = value(&entry.map_entry_value_field().kind(), schemas);
        vec![("type", "object".into()), ("additionalProperties", map(values))]
    } else if field.is_list() {
        vec![("type", "array".into()), ("items", map(value(&field.kind(), schemas)))]
    } else {
        value(&field.kind(), schemas)
    };
    map(schema.into_iter().chain([("description", about.into())]))
}

/// The JSON form of a value, without what it is about.
fn value(kind: &Kind, schemas: &mut BTreeMap<String, Node>) -> Vec<(&'static str, Node)> {
    let bounded = |low: i64, high: i64| {
        vec![("type", "integer".into()), ("minimum", Node::Integer(low)), ("maximum", Node::Integer(high))]
    };
    match kind {
        Kind::Double | Kind::Float => {
            let odd = list(["NaN", "Infinity", "-Infinity"].map(Node::from));
            let odd = map([("type", "string".into()), ("enum", odd)]);
            vec![("oneOf", list([map([("type", "number".into())]), odd]))]
        }
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => bounded(i32::MIN.into(), i32::MAX.into()),
        Kind::Uint32 | Kind::Fixed32 => bounded(0, u32::MAX.into()),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            vec![("type", "string".into()), ("format", "int64".into()), ("pattern", "^-?[0-9]{1,19}$".into())]
        }
        Kind::Uint64 | Kind::Fixed64 => {
            vec![("type", "string".into()), ("format", "uint64".into()), ("pattern", "^[0-9]{1,20}$".into())]
        }
        Kind::Bool => vec![("type", "boolean".into())],
        Kind::String => vec![("type", "string".into())],
        Kind::Bytes => vec![("type", "string".into()), ("contentEncoding", "base64".into())],
        Kind::Message(message) => well_known(message).unwrap_or_else(|| {
            add_message(message, schemas);
            vec![("$ref", format!("#/components/schemas/{}", message.full_name()).into())]
        }),
        Kind::Enum(of) => {
            schemas.entry(of.full_name().to_owned()).or_insert_with(|| enum_schema(of));
            vec![("$ref", format!("#/components/schemas/{}", of.full_name()).into())]
        }
    }
}

/// Messages with a JSON form of their own.
fn well_known(message: &MessageDescriptor) -> Option<Vec<(&'static str, Node)>> {
    match message.full_name() {
        "google.protobuf.Timestamp" => Some(vec![("type", "string".into()), ("format", "date-time".into())]),
        _ => None,
    }
}

fn enum_schema(of: &EnumDescriptor) -> Node {
    let file = of.parent_file();
    let mut about = vec![comment(&file, of.path()), String::new()];
    about.extend(of.values().map(|value| format!("- `{}`: {}", value.name(), comment(&file, value.path()))));
    map([
        ("type", "string".into()),
        ("description", about.join("\n").into()),
        ("enum", Node::List(of.values().map(|value| value.name().into()).collect())),
    ])
}

fn error_schema() -> Node {
    let codes = Node::List(CODES.iter().map(|(code, _)| Node::from(*code)).collect());
    let described = |kind: &str, about: &str| map([("type", kind.into()), ("description", about.into())]);
    let detail = map([
        ("type", "object".into()),
        (
            "properties",
            map([
                (
                    "type",
                    described("string", "The full name of a protobuf message, such as one of the schemas here."),
                ),
                ("value", described("string", "The message in protobuf's binary form, as base64 without padding.")),
                ("debug", map([("description", "The message for people, if it is sent.".into())])),
            ]),
        ),
        ("required", list(["type".into(), "value".into()])),
    ]);
    map([
        ("type", "object".into()),
        ("description", "Why a request was not answered.".into()),
        (
            "properties",
            map([
                ("code", map([("type", "string".into()), ("enum", codes)])),
                ("message", described("string", "The rule and the remedy, for people.")),
                ("details", map([("type", "array".into()), ("items", detail)])),
            ]),
        ),
        ("required", list(["code".into()])),
    ])
}

fn error_response() -> Node {
    let mut about = vec!["The code of an error decides the HTTP status:".to_owned(), String::new()];
    about.extend(CODES.iter().map(|(code, status)| format!("- `{code}`: {status}")));
    about.extend([String::new(), "What is no request of a method (415, 405) has no body.".to_owned()]);
    let schema = map([("schema", reference("schemas", "connect.Error"))]);
    map([("description", about.join("\n").into()), ("content", map([("application/json", schema)]))])
}

fn parameters() -> Node {
    let of = |place: &str, name: &str, required: bool, about: &str, schema: Node| {
        map([
            ("name", name.into()),
            ("in", place.into()),
            ("description", about.into()),
            ("required", Node::Bool(required)),
            ("schema", schema),
        ])
    };
    let only = |value: &str| map([("type", "string".into()), ("const", value.into())]);
    let milliseconds = map([("type", "integer".into()), ("minimum", Node::Integer(1))]);
    map([
        (
            "ProtocolVersion",
            of("header", "Connect-Protocol-Version", false, "The version of the Connect protocol.", only("1")),
        ),
        ("TimeoutMs", of("header", "Connect-Timeout-Ms", false, "How long the answer may take.", milliseconds)),
        ("Encoding", of("query", "encoding", true, "How the request is written.", only("json"))),
        ("Connect", of("query", "connect", false, "The version of the Connect protocol.", only("v1"))),
    ])
}

/// The comment before an element: its lines joined, its paragraphs apart.
fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let location = info.and_then(|info| info.location.iter().find(|location| location.path == path));
    let text = location.and_then(|location| location.leading_comments.as_deref()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let paragraphs = lines.split(|line| line.is_empty()).filter(|paragraph| !paragraph.is_empty());
    paragraphs.map(|paragraph| paragraph.join(" ")).collect::<Vec<_>>().join("\n\n")
}

fn reference(kind: &str, name: &str) -> Node {
    map([("$ref", format!("#/components/{kind}/{name}").into())])
}

fn map<'a>(fields: impl IntoIterator<Item = (&'a str, Node)>) -> Node {
    Node::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn list(values: impl IntoIterator<Item = Node>) -> Node {
    Node::List(values.into_iter().collect())
}

//! The page and the description of the JSON form, where the service runs.

use lambda_http::Body;
use serve_features::lambda::{self, SEND_RESERVE};
use serve_features::native::Exposure;
use serve_features::{DEADLINE_MAX, router};

use crate::connections::http;
use crate::running::{Certificates, Running};
use crate::world::{MIDNIGHT, World};

/// Path, content type, and a text of the content.
const FILES: [(&str, &str, &str); 5] = [
    ("/", "text/html; charset=utf-8", "<title>Tollwatch</title>"),
    ("/page.js", "text/javascript; charset=utf-8", "\"use strict\";"),
    ("/page.css", "text/css; charset=utf-8", "prefers-color-scheme"),
    ("/icon.svg", "image/svg+xml", "<svg"),
    ("/openapi.yaml", "application/yaml", "\"/tollwatch.v1.FeatureService/GetSeries\":"),
];

#[tokio::test]
async fn the_page_is_open_to_whoever_reaches_the_service_and_features_are_not() {
    let exposure = Exposure { tls: None, ..Certificates::new().with_token() };
    let running = Running::start(World::new(Vec::new(), MIDNIGHT).service().await, exposure).await;
    for (path, content_type, text) in FILES {
        let answer = http(running.address, "GET", path, "", "").await;
        let head = answer.to_lowercase();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(text), "{path}: {answer}");
        assert!(head.contains(&format!("content-type: {content_type}\r\n")), "{path}: {answer}");
        assert!(head.contains("content-security-policy: default-src 'none';"), "{path}: {answer}");
    }
    for (method, path) in [
        ("POST", "/tollwatch.v1.FeatureService/GetSeries"),
        ("GET", "/tollwatch.v1.FeatureService/ListFeatures?encoding=json&message=%7B%7D"),
        ("POST", "/"),
    ] {
        let answer = http(running.address, method, path, "", "{}").await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{method} {path}: {answer}");
    }
    running.stop().await;
}

#[tokio::test]
async fn behind_lambda_they_are_the_same() {
    let (rpc, _health) = router(World::new(Vec::new(), MIDNIGHT).service().await).unwrap();
    for (path, content_type, text) in FILES {
        let event = http::Request::get(format!("https://id.lambda-url.us-east-1.on.aws{path}"));
        let event = event.body(Body::Empty).unwrap();
        let answer = lambda::answer(rpc.clone(), event, DEADLINE_MAX.saturating_sub(SEND_RESERVE)).await.unwrap().0;
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
            (200, content_type)
        );
        let Body::Text(body) = answer.into_body() else { panic!("{path} went as base64") };
        assert!(body.contains(text), "{path}");
    }
}

//! The page for people, and the description of the JSON form: files that hold no features, so whoever reaches the
//! service may have them. The page asks the service's own JSON endpoints, with a token where one is wanted.

use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{Either, Full};
use tower_service::Service;

/// What the page may do: run its own script and style, ask its own server, and nothing else. A text that came in an
/// answer cannot become markup even if the script had a mistake.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    // A server that is replaced has another page.
    (header::CACHE_CONTROL, "no-cache"),
];

/// A file.
#[derive(Clone, Copy, Debug)]
struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static str,
}

/// Paths have one part, which no call has.
const FILES: [File; 5] = [
    File { path: "/", content_type: "text/html; charset=utf-8", content: include_str!("web/page.html") },
    File { path: "/page.js", content_type: "text/javascript; charset=utf-8", content: include_str!("web/page.js") },
    File { path: "/page.css", content_type: "text/css; charset=utf-8", content: include_str!("web/page.css") },
    File { path: "/icon.svg", content_type: "image/svg+xml", content: include_str!("web/icon.svg") },
    // RFC 9512.
    File { path: "/openapi.yaml", content_type: "application/yaml", content: proto::OPENAPI },
];

/// Answers with a file where one is asked for, and else with what `inner` answers.
#[derive(Clone, Debug)]
pub struct Web<S> {
    inner: S,
}

impl<S> Web<S> {
    /// The page before a service.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }
}

/// The body of an answer.
pub type WebBody<B> = Either<B, Full<Bytes>>;

impl<S, B, A> Service<Request<B>> for Web<S>
where
    S: Service<Request<B>, Response = Response<A>, Error = Infallible>,
    S::Future: Send + 'static,
    A: Send + 'static,
{
    type Response = Response<WebBody<A>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match find(request.method(), request.uri().path()) {
            Some(file) => {
                let body = if request.method() == Method::HEAD { "" } else { file.content };
                let response = respond(file, body);
                async { Ok(response) }.boxed()
            }
            None => self.inner.call(request).map(|answered| answered.map(explained)).boxed(),
        }
    }
}

/// What the status alone says to programs, in words for people: `curl -d` would print nothing.
const CONTENT_TYPE_UNKNOWN: &str = "This content type is not taken: send JSON with the header Content-Type: \
                                    application/json, or what the header Accept-Post of this answer lists.\n";

/// An answer, with a body where a request of another content type has none.
fn explained<A>(answer: Response<A>) -> Response<WebBody<A>> {
    if answer.status() != StatusCode::UNSUPPORTED_MEDIA_TYPE || answer.headers().contains_key(header::CONTENT_TYPE) {
        return answer.map(Either::Left);
    }
    let (mut parts, _empty) = answer.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(CONTENT_TYPE_UNKNOWN.len()));
    let body = Full::new(Bytes::from_static(CONTENT_TYPE_UNKNOWN.as_bytes()));
    Response::from_parts(parts, Either::Right(body))
}

fn find(method: &Method, path: &str) -> Option<&'static File> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    FILES.iter().find(|file| reads && file.path == path)
}

fn respond<A>(file: &File, body: &'static str) -> Response<WebBody<A>> {
    let mut response = Response::new(Either::Right(Full::new(Bytes::from_static(body.as_bytes()))));
    let headers = response.headers_mut();
    headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(file.content.len()));
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http_body_util::BodyExt as _;
    use lambda_http::tower::service_fn;

    use super::*;

    async fn ask(method: Method, path: &str) -> Response<WebBody<Full<Bytes>>> {
        let inner = service_fn(|_: Request<()>| async {
            let mut response = Response::new(Full::new(Bytes::from_static(b"inner")));
            *response.status_mut() = StatusCode::IM_A_TEAPOT;
            Ok(response)
        });
        Web::new(inner).call(Request::builder().method(method).uri(path).body(()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn files_are_answered_and_all_else_is_passed_on() {
        for file in FILES {
            let response = ask(Method::GET, file.path).await;
            assert_eq!(response.status(), StatusCode::OK);
            let headers = response.headers().clone();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, file.content.as_bytes());
            assert!(!body.is_empty());
            let head = ask(Method::HEAD, file.path).await;
            assert_eq!(*head.headers(), headers, "a HEAD is as the GET, but for the body");
            assert!(head.into_body().collect().await.unwrap().to_bytes().is_empty());
            assert_eq!(ask(Method::POST, file.path).await.status(), StatusCode::IM_A_TEAPOT);
        }
        for path in [
            "/index.html",
            "//",
            "/page.js/",
            "/web/page.js",
            "/tollwatch.v1.FeatureService/ListFeatures?encoding=json",
        ] {
            assert_eq!(ask(Method::GET, path).await.status(), StatusCode::IM_A_TEAPOT, "{path}");
        }
        assert_eq!(ask(Method::GET, "/?number=1").await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn every_file_comes_with_the_policy() {
        for file in FILES {
            let response = ask(Method::GET, file.path).await;
            let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none';"), "{policy}");
            for hole in ["unsafe", "*", "http:", "https:", "data:", "blob:"] {
                assert!(!policy.contains(hole), "{policy}");
            }
            assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(response.headers()[header::REFERRER_POLICY], "no-referrer");
        }
    }

    /// The browser would refuse these under the policy; they ought not to be there in the first place.
    #[test]
    fn the_page_holds_nothing_that_could_run_a_text() {
        let [html, script, style] = [FILES[0], FILES[1], FILES[2]].map(|file| file.content);
        for markup in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval(", "Function("]
        {
            assert!(!script.contains(markup), "{markup}");
        }
        for inline in ["<script>", "<style", " style=", " onclick=", " onsubmit=", "javascript:"] {
            assert!(!html.contains(inline), "{inline}");
        }
        for text in [html, script, style] {
            assert!(!text.contains("https://") && !text.contains("@import"), "everything comes from the service");
        }
    }

    /// A number in a URL would be in access logs and in the browser's history.
    #[test]
    fn no_number_gets_into_a_url() {
        let [html, script] = [FILES[0], FILES[1]].map(|file| file.content);
        assert!(html.contains(r#"<form id="ask" method="post">"#));
        assert!(
            !html.contains(" name=\"number\"") && !html.contains(" name=\"token\""),
            "an unnamed field is never sent"
        );
        for way in ["URLSearchParams", "location", "history.", "localStorage", "sessionStorage", "document.cookie"] {
            assert!(!script.contains(way), "{way}");
        }
        assert_eq!(script.matches("fetch(").count(), 1);
        assert!(script.contains("fetch(`${SERVICE}/${method}`"));
    }
}

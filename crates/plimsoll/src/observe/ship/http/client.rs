//! One kept-alive connection to where is sent to, made anew when it is gone. Blocks: it has a thread to itself.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderMap, RETRY_AFTER};
use hyper::{Method, Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use super::RETRY_AFTER_MOST;
use crate::config::Url;
use crate::observe::ship::until::Until;
use crate::observe::tls::{self, Tls};

/// More of an answer is not read: it is for one line of the log.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

pub(super) struct Client {
    runtime: Runtime,
    url: Url,
    tls: Tls,
    timeout: Duration,
    connection: Option<SendRequest<Full<Bytes>>>,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

/// Why there is no answer, and what to do about it if that is known.
#[derive(Debug)]
pub(super) struct NoAnswer {
    pub(super) why: String,
    pub(super) hint: Option<&'static str>,
}

impl From<String> for NoAnswer {
    fn from(why: String) -> Self {
        Self { why, hint: None }
    }
}

impl From<io::Error> for NoAnswer {
    fn from(error: io::Error) -> Self {
        Self { why: error.to_string(), hint: tls::hint(&error) }
    }
}

impl Client {
    /// `ca`: whose certificates are believed, if not those that the system believes.
    pub(super) fn new(url: Url, ca: Option<PathBuf>, timeout: Duration) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, url, tls: Tls::new(ca), timeout, connection: None })
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// # Errors
    /// Why there is no answer.
    pub(super) fn post(
        &mut self,
        headers: &HeaderMap,
        body: Bytes,
        until: &Until,
    ) -> Result<Answer, NoAnswer> {
        let begun = Instant::now();
        let Self { runtime, url, tls, timeout, connection } = self;
        runtime.block_on(async {
            tokio::select! {
                answer = exchange((url, tls), connection, headers, body) => return answer,
                () = tokio::time::sleep(*timeout) => {}
                () = until.over() => {}
            }
            Err(format!("no answer within {:.1}s", begun.elapsed().as_secs_f64()).into())
        })
    }
}

async fn exchange(
    (url, tls): (&Url, &Tls),
    connection: &mut Option<SendRequest<Full<Bytes>>>,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Answer, NoAnswer> {
    // It is put back when the answer was read to its end: what is broken, or was given up, is not used again.
    if let Some(mut kept) = connection.take()
        && kept.ready().await.is_ok()
        && let Ok(answer) = kept.send_request(request(url, headers, body.clone())?).await
    {
        let answer = read(answer).await?;
        *connection = Some(kept);
        return Ok(answer);
    }
    let mut fresh = connect(url, tls).await?;
    let answer = fresh.send_request(request(url, headers, body)?).await.map_err(|error| describe(&error))?;
    let answer = read(answer).await?;
    *connection = Some(fresh);
    Ok(answer)
}

async fn connect(url: &Url, tls: &Tls) -> Result<SendRequest<Full<Bytes>>, NoAnswer> {
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await?;
    if url.is_secure {
        return speak(tls.connect(&url.host, stream).await?).await;
    }
    speak(stream).await
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, NoAnswer> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| describe(&error))?;
    // It ends with the sender; an error reaches the request as well.
    drop(tokio::spawn(connection));
    Ok(sender)
}

fn request(url: &Url, headers: &HeaderMap, body: Bytes) -> Result<Request<Full<Bytes>>, String> {
    let request =
        Request::builder().method(Method::POST).uri(url.path.as_str()).header(HOST, url.authority());
    let mut request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
    request.headers_mut().extend(headers.clone());
    Ok(request)
}

async fn read(answer: Response<Incoming>) -> Result<Answer, String> {
    let status = answer.status().as_u16();
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let retry_after = retry_after.map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MOST));
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    Ok(Answer { status, retry_after, body })
}

/// An error with its cause: the first alone says little.
fn describe(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

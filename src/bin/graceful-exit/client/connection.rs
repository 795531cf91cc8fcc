//! One HTTP/1.1 connection to the admin server.

use std::{error::Error, fmt, io, time::Duration};

use graceful_exit::Language;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use super::{
    target::{Target, Transport},
    tls,
};
use crate::locale::say;

/// How long the application may take to accept a connection, and then to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// No answer that is read whole is that large.
const LARGEST: usize = 16 << 20;

/// The head of an answer, with its body still to be read.
pub(super) struct Answer(Response<Incoming>);

impl Target {
    /// Sends a request on a connection of its own.
    pub(super) async fn request(&self, method: Method, path: &str) -> Result<Answer, ClientError> {
        let failed = |error: Box<dyn Error + Send + Sync>| self.failed(Reason::Failed(error));
        let in_time = timeout(TIMEOUT, async {
            match &self.transport {
                Transport::Tcp(address) => {
                    let stream = TcpStream::connect(address).await.map_err(|error| failed(error.into()))?;
                    self.send(stream, method, path).await
                }
                Transport::Tls { address, certificate } => {
                    let stream = TcpStream::connect(address).await.map_err(|error| failed(error.into()))?;
                    let stream = tls::connect(stream, address, certificate).await.map_err(failed)?;
                    self.send(stream, method, path).await
                }
                #[cfg(unix)]
                Transport::Unix(path_of_socket) => {
                    let stream = tokio::net::UnixStream::connect(path_of_socket).await;
                    self.send(stream.map_err(|error| failed(error.into()))?, method, path).await
                }
                #[cfg(not(unix))]
                Transport::Unix(_) => Err(failed(io::Error::from(io::ErrorKind::Unsupported).into())),
            }
        });
        in_time.await.unwrap_or_else(|_| Err(failed(io::Error::from(io::ErrorKind::TimedOut).into())))
    }

    async fn send<S>(&self, stream: S, method: Method, path: &str) -> Result<Answer, ClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let failed = |error: hyper::Error| self.failed(Reason::Failed(error.into()));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        // It ends with the connection; its error is the request's.
        drop(tokio::spawn(connection));
        let mut request = Request::builder().method(method).uri(path).header("host", self.transport.host());
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request =
            request.body(Empty::<Bytes>::new()).map_err(|error| self.failed(Reason::Failed(error.into())))?;
        let response = sender.send_request(request).await.map_err(failed)?;
        Ok(Answer(response))
    }

    fn failed(&self, reason: Reason) -> ClientError {
        ClientError { target: self.transport.to_string(), reason, language: self.language }
    }

    /// The error of an answer that is not what was asked for.
    pub(super) fn refused(&self, status: StatusCode) -> ClientError {
        self.failed(Reason::Refused(status))
    }

    /// The error where the exit cannot be followed.
    pub(super) fn too_many_streams(&self) -> ClientError {
        self.failed(Reason::TooManyStreams)
    }

    /// The error of an answer that this application does not give.
    pub(super) fn foreign(&self, error: impl Into<Box<dyn Error + Send + Sync>>) -> ClientError {
        self.failed(Reason::Foreign(error.into()))
    }
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// The whole body.
    pub(super) async fn bytes(self, target: &Target) -> Result<Bytes, ClientError> {
        let failed = |error| target.failed(Reason::Failed(error));
        let body = timeout(TIMEOUT, Limited::new(self.0.into_body(), LARGEST).collect()).await;
        let body = body.map_err(|error| failed(error.into()))?;
        Ok(body.map_err(failed)?.to_bytes())
    }

    /// The next piece of the body; none at its end, or when the connection is lost.
    pub(super) async fn piece(&mut self) -> Option<Bytes> {
        while !self.0.body().is_end_stream() {
            let frame = self.0.body_mut().frame().await?.ok()?;
            if let Ok(bytes) = frame.into_data() {
                return Some(bytes);
            }
        }
        None
    }
}

/// Why the application could not be asked.
#[derive(Debug)]
pub(crate) struct ClientError {
    target: String,
    reason: Reason,
    language: Language,
}

#[derive(Debug)]
enum Reason {
    /// Nothing answers.
    Failed(Box<dyn Error + Send + Sync>),
    /// It refuses.
    Refused(StatusCode),
    /// It has no event stream to give.
    TooManyStreams,
    /// The answer is not this application's.
    Foreign(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (target, language) = (&self.target, self.language);
        f.write_str(&match &self.reason {
            Reason::Failed(error) => {
                let error = innermost(error.as_ref());
                say!(language,
                    en: "{target} does not answer: {error}",
                    zh: "{target} 没有应答：{error}",
                    zh_hant: "{target} 沒有應答：{error}",
                )
            }
            Reason::Refused(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => say!(language,
                en: "{target} refuses: {status}; set admin.token or admin.token_file to the application's own",
                zh: "{target} 拒绝：{status}；请把 admin.token 或 admin.token_file 设为该应用所用的值",
                zh_hant: "{target} 拒絕：{status}；請把 admin.token 或 admin.token_file 設為該應用程式所用的值",
            ),
            Reason::Refused(status) => say!(language,
                en: "{target} answers {status}: is it the admin server?",
                zh: "{target} 应答 {status}：它是管理服务器吗？",
                zh_hant: "{target} 應答 {status}：它是管理伺服器嗎？",
            ),
            Reason::TooManyStreams => say!(language,
                en: "{target} has no event stream left (admin.max_streams), so the exit cannot be followed and was not started: close one, or stop without --wait",
                zh: "{target} 的事件流已达上限（admin.max_streams），无法跟踪退出过程，因此没有发起退出：请关闭一个，或不带 --wait",
                zh_hant: "{target} 的事件串流已達上限（admin.max_streams），無法追蹤關閉過程，因此沒有開始關閉：請關閉一個，或不帶 --wait",
            ),
            Reason::Foreign(error) => say!(language,
                en: "{target} answers something else than a status: {error}",
                zh: "{target} 的应答不是状态：{error}",
                zh_hant: "{target} 的應答不是狀態：{error}",
            ),
        })
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.reason {
            Reason::Failed(error) | Reason::Foreign(error) => Some(error.as_ref()),
            Reason::Refused(_) | Reason::TooManyStreams => None,
        }
    }
}

/// The error that says what happened: a library's own says little more than that it has a cause.
fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}

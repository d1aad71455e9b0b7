//! hyper answers a request whose head it cannot read by itself: a bare 400, 414 or 431. On its way
//! to the socket that answer is replaced by a whole one.
//!
//! hyper's own answer is known by its form: one write that is a header block and nothing else, with
//! a 4xx status, no body, and no request id, which every answer of the application carries.
//!
//! hyper answers every head that fills its buffer with 431. Where the head was refused within its
//! first line, the address was too long and the answer becomes 414.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ServerLimits;

/// Makes the whole answer, header and body, to a request whose head could not be read.
pub type Refusals = Arc<dyn Fn(StatusCode) -> Response<Bytes> + Send + Sync>;

/// The status for a head that is larger than the limits: of HTTP/2, where hyper applies no limit to
/// the number of fields, and answers without a body where the size is exceeded.
pub(super) fn exceeds<B>(request: &Request<B>, limits: &ServerLimits) -> Option<StatusCode> {
    let address = request.uri().path_and_query().map_or(0, |each| each.as_str().len());
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    let is_small = address + fields.sum::<usize>() <= limits.max_header_bytes;
    if is_small && request.headers().len() <= limits.max_headers {
        None
    } else if address > limits.max_header_bytes / 2 {
        Some(StatusCode::URI_TOO_LONG)
    } else {
        Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    }
}

/// An answer as HTTP/1.1 sends it.
fn as_sent(answer: &Response<Bytes>) -> Bytes {
    let mut bytes = format!("HTTP/1.1 {}\r\n", answer.status()).into_bytes();
    for (name, value) in answer.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(answer.body());
    bytes.into()
}

/// Bytes that are still read from a client after its refusal.
const REST: usize = 256 * 1024;

/// Bytes kept of a line's beginning: room for a request's method and the blank behind it.
const LINE_START: usize = 24;

/// The line that is being received. Each answer resets it: a request does not continue the body of
/// the one before.
#[derive(Default)]
struct Line {
    length: usize,
    start: [u8; LINE_START],
}

impl Line {
    fn take(&mut self, bytes: &[u8]) {
        let bytes = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => {
                *self = Self::default();
                &bytes[end + 1..]
            }
            None => bytes,
        };
        if let Some(room) = self.start.get_mut(self.length..) {
            for (place, byte) in room.iter_mut().zip(bytes) {
                *place = *byte;
            }
        }
        self.length = self.length.saturating_add(bytes.len());
    }

    /// A method and a blank; a field has a colon there.
    fn begins_a_request(&self) -> bool {
        let method = self.start.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
        method > 0 && self.start.get(method) == Some(&b' ')
    }
}

/// A socket on which hyper's own refusals are replaced.
pub(super) struct RefusalIo<T> {
    io: T,
    refusals: Option<Refusals>,
    /// What is left to be written of our answer; `Some` for good once hyper has refused.
    answer: Option<Bytes>,
    rest: usize,
    max_head: usize,
    line: Line,
}

impl<T> RefusalIo<T> {
    pub(super) fn new(io: T, refusals: Option<Refusals>, max_head: usize) -> Self {
        Self { io, refusals, answer: None, rest: REST, max_head, line: Line::default() }
    }

    /// Whether `bytes` are a refusal by hyper, which our own answer then replaces.
    fn replaces(&mut self, bytes: &[u8]) -> bool {
        let Some(refusals) = self.refusals.as_ref().filter(|_| self.answer.is_none()) else { return false };
        let Some(status) = own_refusal(bytes) else { return false };
        // Half, because blank lines may stand before a request, and are counted by hyper.
        let is_address = status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            && self.line.begins_a_request()
            && self.line.length > self.max_head / 2;
        let status = if is_address { StatusCode::URI_TOO_LONG } else { status };
        self.answer = Some(as_sent(&refusals(status)));
        true
    }
}

/// The status, where `bytes` are a refusal that hyper made.
fn own_refusal(bytes: &[u8]) -> Option<StatusCode> {
    // Nearly every answer is another one: that is seen first.
    let status = bytes.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    let status = StatusCode::from_bytes(status).ok().filter(StatusCode::is_client_error)?;
    let head = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?;
    let (_, fields) = head.split_once("\r\n")?;
    let has = |name: &str| fields.lines().any(|field| field.starts_with(name));
    (!fields.contains("\r\n\r\n") && has("content-length: 0") && !has("x-request-id:")).then_some(status)
}

impl<T: AsyncWrite + Unpin> RefusalIo<T> {
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(answer) = self.answer.as_mut().filter(Buf::has_remaining) {
            match ready!(Pin::new(&mut self.io).poll_write(cx, answer))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => answer.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for RefusalIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        if self.refusals.is_some() {
            self.line.take(&buffer.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for RefusalIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.replaces(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.line = Line::default();
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut filled = slices.iter().filter(|slice| !slice.is_empty());
        if let (Some(only), None) = (filled.next(), filled.next())
            && self.replaces(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        self.line = Line::default();
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(cx))?;
        ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
        if self.answer.is_none() {
            return Poll::Ready(Ok(()));
        }
        // Closing over unread bytes resets the connection, and the client would lose the answer
        // with it (RFC 9112, 9.6). The watch bounds the time that this takes.
        let mut discarded = [0; 8 * 1024];
        while self.rest > 0 {
            let mut buffer = ReadBuf::new(&mut discarded);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                break;
            }
            let taken = buffer.filled().len();
            self.rest = self.rest.saturating_sub(taken);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_known_by_its_beginning_however_it_arrives() {
        let line = |chunks: &[&str]| {
            let mut line = Line::default();
            for chunk in chunks {
                line.take(chunk.as_bytes());
            }
            (line.begins_a_request(), line.length)
        };
        let long = "x".repeat(1000);
        assert_eq!(line(&["GET /", &long]), (true, 1005));
        assert_eq!(line(&["G", "E", "T", " ", "/", &long]), (true, 1005));
        assert_eq!(line(&["\r\nPOST /", &long]), (true, 1006));
        assert_eq!(line(&["GET / HTTP/1.1\r\nX: ", &long]), (false, 1003));
        assert_eq!(line(&["GET / HTTP/1.1\r", "\n", "X", ": ", &long]), (false, 1003));
        assert_eq!(line(&[&long]), (false, 1000));
        assert_eq!(line(&["GET / HTTP/1.1\r\n"]), (false, 0));
        assert_eq!(line(&[]), (false, 0));
    }

    #[test]
    fn only_hypers_own_refusals_are_recognised() {
        let own = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: Mon, 23 Nov 2026 12:00:00 GMT\r\n\r\n";
        assert_eq!(own_refusal(own.as_bytes()), Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        for other in [
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nx-request-id: 1\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 4",
            "",
        ] {
            assert_eq!(own_refusal(other.as_bytes()), None, "{other}");
        }
    }
}

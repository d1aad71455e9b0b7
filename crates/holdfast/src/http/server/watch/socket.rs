//! A socket that tells the watch what happens on it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::fd::AsFd;
use rustix::io::ioctl_fionread;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Watch;

/// The socket of one connection.
pub(in crate::http::server) struct WatchedIo<T> {
    io: T,
    watch: Watch,
    /// Spares the watch a lock with each request.
    has_waited: bool,
}

impl<T> WatchedIo<T> {
    pub(in crate::http::server) fn new(io: T, watch: Watch) -> Self {
        Self { io, watch, has_waited: false }
    }

    fn wrote<R>(&self, poll: Poll<R>) -> Poll<R> {
        match poll {
            Poll::Pending => self.watch.write_blocked(),
            Poll::Ready(_) => self.watch.write_done(),
        }
        poll
    }
}

impl<T: AsyncRead + AsFd + Unpin> AsyncRead for WatchedIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if read.is_pending() {
            if !self.has_waited {
                self.has_waited = true;
                self.watch.nothing_came();
            }
            // The runtime may not have heard yet of what is there.
            if self.watch.is_cut() && ioctl_fionread(&self.io).is_ok_and(|unread| unread > 0) {
                self.watch.bytes_came();
            }
        }
        ready!(read)?;
        if buffer.filled().len() > before {
            self.watch.bytes_came();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for WatchedIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.wrote(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.wrote(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

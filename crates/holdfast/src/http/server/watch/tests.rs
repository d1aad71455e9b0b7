//! What a connection looks into before it closes.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};

use futures_util::FutureExt as _;
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::clock::{ManualClock, from_millis};

#[tokio::test]
async fn what_the_runtime_has_not_heard_of_is_seen_before_we_close() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let clock = ManualClock::new(from_millis(1_750_000_000_000));
    let watch = Watch::new(&ServerLimits::default(), Arc::new(clock.clone()));
    let mut io = WatchedIo::new(tokio::net::TcpStream::from_std(stream).unwrap(), watch.clone());
    let mut buffer = [0; 8];
    assert!(io.read(&mut buffer).now_or_never().is_none());
    clock.advance(Duration::from_secs(1));
    client.write_all(b"G").unwrap();
    watch.cut();
    assert!(io.read(&mut buffer).now_or_never().is_none(), "the runtime asks the kernel later");
    assert!(!watch.gives_way() && !watch.is_cut());
    watch.cut();
    assert!(io.read(&mut buffer).now_or_never().is_none());
    assert!(watch.gives_way() && watch.is_cut(), "the same byte saves it once only");
}

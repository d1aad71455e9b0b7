use super::*;

#[tokio::test]
async fn a_connection_that_takes_too_long_has_sent_nothing() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    // Full with one connection that nobody accepts: further ones are dropped, as by a firewall.
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _first = tokio::net::TcpStream::connect(address).await.unwrap();
    let url = Url::parse(&format!("http://{address}/")).unwrap();
    let sent = ReqwestTransport::new().unwrap().send(Outgoing::new(Method::POST, url)).await;
    assert_eq!(sent.unwrap_err(), TransportError::Connect);
}

#[tokio::test]
async fn a_request_that_finds_no_turn_is_no_fault_of_the_other_side() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let transport = ReqwestTransport::new().unwrap();
    let asked = (0..=PER_HOST).map(|_| {
        let mut request = Outgoing::new(Method::GET, url.clone());
        request.timeout = Duration::from_secs(2);
        transport.send(request)
    });
    // Nobody answers; the last one waits its turn for a quarter of that time.
    let mut outcomes = futures_util::future::join_all(asked).await;
    assert_eq!(outcomes.pop().unwrap().unwrap_err(), TransportError::Crowded);
    assert!(outcomes.iter().all(|each| matches!(each, Err(TransportError::Timeout))), "{outcomes:?}");
}

#[test]
fn a_certificate_that_signed_itself_is_told_from_a_damaged_one() {
    let made = rustls::OtherError(Arc::new(std::io::Error::other("CaUsedAsEndEntity")));
    let fault = CertificateFault::from(&rustls::CertificateError::Other(made));
    assert_eq!(fault, CertificateFault::SelfSigned);
    assert!(TransportError::Certificate(fault).help().unwrap().contains("authority"));
}

#[test]
fn retry_after_is_seconds_or_any_form_of_an_http_date() {
    let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
    let wait = |retry_after: &'static str, date: Option<&'static str>| {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(retry_after));
        headers.extend(date.map(|date| (header::DATE, HeaderValue::from_static(date))));
        let answer = Answer { status: StatusCode::SERVICE_UNAVAILABLE, headers, body: Bytes::new() };
        answer.retry_after(now).map(|wait| wait.as_secs())
    };
    assert_eq!(wait(" 90 ", None), Some(90));
    assert_eq!(wait("99999999999999999999999", None), Some(u64::MAX));
    for later in
        ["Sun, 29 Nov 2026 12:01:30 GMT", "Sunday, 29-Nov-26 12:01:30 GMT", "Sun Nov 29 12:01:30 2026"]
    {
        assert_eq!(wait(later, None), Some(90), "{later}");
        // Both dates are by a clock that is behind ours.
        assert_eq!(wait(later, Some("Sun, 29 Nov 2026 12:01:00 GMT")), Some(30), "{later}");
        assert_eq!(wait(later, Some("just now")), Some(90), "{later}");
    }
    assert_eq!(wait("Sun, 29 Nov 2026 11:59:00 GMT", None), Some(0));
    for nonsense in ["", "soon", "-5", "1.5", "2026-11-29T12:01:30Z", "Sun, 31 Feb 2026 12:00:00 GMT"] {
        assert_eq!(wait(nonsense, None), None, "{nonsense}");
    }
}

use super::*;

#[test]
fn what_is_counted_is_rendered() {
    let metrics = Metrics::default();
    metrics.answered("GET", "/user/profile", 200, Duration::from_millis(2));
    metrics.answered(
        method_label(&http::Method::from_bytes(b"BREW").unwrap()),
        "unmatched",
        404,
        Duration::ZERO,
    );
    metrics.problem("not-found");
    metrics.verdict("refused", "token-expired");
    let text = metrics.render();
    for line in [
        r#"holdfast_http_requests_total{method="GET",route="/user/profile",status="200"} 1"#,
        r#"holdfast_http_requests_total{method="other",route="unmatched",status="404"} 1"#,
        r#"holdfast_http_request_duration_seconds_bucket{le="0.0025",route="/user/profile"} 1"#,
        r#"holdfast_http_request_duration_seconds_bucket{le="0.001",route="/user/profile"} 0"#,
        r#"holdfast_http_request_duration_seconds_bucket{le="+Inf",route="/user/profile"} 1"#,
        r#"holdfast_http_problems_total{code="not-found"} 1"#,
        r#"holdfast_session_verdicts_total{verdict="refused",code="token-expired"} 1"#,
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

#[test]
fn what_an_alert_counts_is_there_at_zero_before_the_first_error() {
    let text = Metrics::default().render();
    let counted = crate::overview::alerts::ALERTS.iter().flat_map(|alert| {
        let series = alert.expr.split("holdfast_http_problems_total").skip(1);
        series.map(|rest| rest.split(['{', '}']).nth(1).unwrap())
    });
    let counted: Vec<&str> = counted.collect();
    assert!(counted.len() >= ALERTED.len(), "{counted:?}");
    for labels in counted {
        let line = format!("holdfast_http_problems_total{{{labels}}} 0\n");
        assert!(text.contains(&line), "{line} is missing in\n{text}");
    }
}

//! Who asks, where, and whether the clocks agree.

use anyhow::anyhow;

use crate::doctor::report::Verdict;
use crate::doctor::rest::Answer;

/// How far clocks may be apart: signatures count for five minutes
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>).
const CLOCKS_APART_MAX_MS: i64 = 5 * 60 * 1_000;

/// Whether a region is named.
pub(super) fn region(region: &anyhow::Result<String>) -> Verdict {
    match region {
        Ok(region) => Verdict::Right(region.clone()),
        Err(_) => Verdict::wrong("none is named", "set AWS_REGION, or name a profile that has one with AWS_PROFILE"),
    }
}

/// No credentials were found.
pub(super) fn no_credentials(error: &anyhow::Error) -> Verdict {
    Verdict::wrong(
        format!("none are found ({error:#})"),
        "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; profiles of IAM Identity Center are not read: \
         `eval \"$(aws configure export-credentials --format env)\"` makes variables of them",
    )
}

/// Whether STS knows them.
pub(super) fn credentials(identity: &anyhow::Result<Answer>) -> Verdict {
    let answer = match identity {
        Ok(answer) => answer,
        Err(error) => {
            return Verdict::wrong(
                format!("STS does not answer ({error:#})"),
                "check the network: AWS_REGION, a proxy or a firewall",
            );
        }
    };
    if answer.status == 200 {
        let arn = answer.element("Arn").unwrap_or_default();
        return Verdict::Right(format!("{arn}, account {}", answer.element("Account").unwrap_or_default()));
    }
    let code = answer.element("Code").unwrap_or_else(|| answer.status.to_string());
    let remedy = match code.as_str() {
        "ExpiredToken" | "ExpiredTokenException" => "log in again: the session is over",
        "InvalidClientTokenId" => "the access key is unknown, or its session token is missing: log in again",
        "SignatureDoesNotMatch" => "the secret key is not that of the access key, or the clock is wrong: see clock",
        "RequestExpired" => "set the clock: see clock",
        _ => "ask whoever gave you the credentials",
    };
    Verdict::wrong(format!("STS refuses them ({code})"), remedy)
}

/// Whether this machine's clock is that of AWS.
pub(super) fn clock(identity: &anyhow::Result<Answer>, now_ms: i64) -> Verdict {
    let date_ms = identity.as_ref().map_err(|_| anyhow!("AWS was not reached")).map(Answer::date_ms);
    match date_ms {
        Err(error) => Verdict::NotChecked(error.to_string()),
        Ok(None) => Verdict::NotChecked("the answer has no date".to_owned()),
        Ok(Some(date_ms)) => compare(now_ms - date_ms),
    }
}

fn compare(ahead_ms: i64) -> Verdict {
    let seconds = ahead_ms.abs() / 1_000;
    let direction = if ahead_ms < 0 { "behind" } else { "ahead of" };
    let what = format!("{seconds} s {direction} AWS");
    match ahead_ms.abs() > CLOCKS_APART_MAX_MS {
        true => Verdict::wrong(
            format!("this machine is {what}"),
            "set it by NTP: requests that are signed more than 5 minutes off are refused",
        ),
        false => Verdict::Right(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_be_five_minutes_apart() {
        for ahead_ms in [0, 300_000, -300_000] {
            assert!(matches!(compare(ahead_ms), Verdict::Right(_)), "{ahead_ms}");
        }
        for (ahead_ms, word) in [(300_001, "ahead of"), (-300_001, "behind")] {
            let Verdict::Wrong { what, .. } = compare(ahead_ms) else { panic!("{ahead_ms} is right") };
            assert_eq!(what, format!("this machine is 300 s {word} AWS"));
        }
    }
}

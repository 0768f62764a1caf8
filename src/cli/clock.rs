//! The time of day for people, in UTC as `ovs-ofctl --timestamp` prints it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;

/// `2026-11-21 12:00:00.123`.
pub(crate) fn timestamp() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{} {}.{:03}", date(now), time(now), now.subsec_millis())
}

/// `12:00:00`.
pub(crate) fn time_of_day() -> String {
    time(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn time(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs() % DAY;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Counted in years that begin in March, so that a leap day is the last of its year; 400 of them have 146,097 days.
fn date(since_epoch: Duration) -> String {
    let days = since_epoch.as_secs() / DAY + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + later)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let cases = [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_795_219_199, "2026-11-20"),
            (4_107_542_400, "2100-03-01"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(date(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(time(Duration::from_secs(1_795_219_199)), "23:59:59");
    }
}

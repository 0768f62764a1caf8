//! Names of ports as the command line gives them.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use super::super::ofctl_dump::names::NameTable;
use crate::openflow::PortNo;

/// Where names of ports come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum PortNames {
    /// From the command line: `NAME=NUMBER,…`.
    Given(Vec<(String, PortNo)>),
    /// From a file with one `NAME=NUMBER` in a line.
    File(PathBuf),
}

impl FromStr for PortNames {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let pairs: Option<_> = text.split(',').filter(|pair| !pair.is_empty()).map(pair).collect();
        Ok(pairs.map_or_else(|| Self::File(text.into()), Self::Given))
    }
}

/// `NAME=NUMBER`, or with a blank between; the bridge's own port is 65534.
fn pair(text: &str) -> Option<(String, PortNo)> {
    let (name, number) = text.trim().rsplit_once(['=', ' '])?;
    let number = match number.trim() {
        "LOCAL" | "65534" => PortNo::LOCAL,
        number => PortNo(number.parse().ok()?),
    };
    Some((name.trim().trim_matches('"').to_owned(), number))
}

impl PortNames {
    /// Names the ports.
    pub(super) fn apply(&self, names: &mut NameTable) -> io::Result<()> {
        match self {
            Self::Given(ports) => ports.iter().for_each(|(name, port)| names.add_port(*port, name.clone())),
            Self::File(path) => {
                let text = super::read(path)?;
                for (number, line) in String::from_utf8_lossy(&text).lines().enumerate() {
                    if line.trim().is_empty() || line.starts_with('#') {
                        continue;
                    }
                    let expected =
                        || format!("{}:{}: found {line:?}, expected NAME=NUMBER", path.display(), number + 1);
                    let pair = pair(line).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, expected()))?;
                    names.add_port(pair.1, pair.0);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::parse::Lookup;

    #[test]
    fn ports_are_named_on_the_command_line_or_in_a_file() {
        let mut names = NameTable::default();
        "tap1=3,br0=LOCAL".parse::<PortNames>().unwrap().apply(&mut names).unwrap();
        assert_eq!([names.port("tap1"), names.port("br0")], [Some(PortNo(3)), Some(PortNo::LOCAL)]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# ports\n\"int-br\"=4\n\ntap2 5\n").unwrap();
        file.path().to_str().unwrap().parse::<PortNames>().unwrap().apply(&mut names).unwrap();
        assert_eq!([names.port("int-br"), names.port("tap2")], [Some(PortNo(4)), Some(PortNo(5))]);
        std::fs::write(file.path(), "tap3=x\n").unwrap();
        let error = PortNames::File(file.path().into()).apply(&mut names).unwrap_err();
        assert!(error.to_string().ends_with(":1: found \"tap3=x\", expected NAME=NUMBER"), "{error}");
    }
}

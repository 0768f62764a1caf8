//! Groups as text (`ovs-ofctl(8)`, "Group Syntax"), read into the bytes of a GROUP_MOD.

use super::piece::Piece;
use super::values::{self, number_u16, number_u32};
use super::{Lookup, ParseError, actions};
use crate::openflow::group::{Bucket, GroupMod, GroupModCommand, GroupType};
use crate::openflow::oxm::Field;
use crate::openflow::{Entry, GroupId, PortNo, Raw, Writer};

/// A group that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParsedGroup {
    command: GroupModCommand,
    group_type: GroupType,
    group_id: GroupId,
    buckets: Vec<u8>,
}

impl ParsedGroup {
    /// The GROUP_MOD that it makes.
    pub fn to_group_mod(&self) -> GroupMod<'_> {
        let Self { command, group_type, group_id, .. } = *self;
        GroupMod { command, group_type, group_id, buckets: Raw::new(&self.buckets) }
    }
}

/// The most characters of a selection method.
const MAX_METHOD: usize = 15;
/// `OFPG15_BUCKET_MAX`.
const MAX_BUCKET_ID: u32 = 0xffff_ff00;

/// What a line begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    GroupMod(GroupModCommand),
    InsertBucket,
    RemoveBucket,
}

const COMMANDS: [(&str, Command); 6] = [
    ("add", Command::GroupMod(GroupModCommand::ADD)),
    ("delete", Command::GroupMod(GroupModCommand::DELETE)),
    ("modify", Command::GroupMod(GroupModCommand::MODIFY)),
    ("add_or_mod", Command::GroupMod(GroupModCommand::ADD_OR_MODIFY)),
    ("insert_bucket", Command::InsertBucket),
    ("remove_bucket", Command::RemoveBucket),
];

/// Reads a line of `ovs-ofctl add-groups FILE`: a group, behind `add`, `modify`, `add_or_mod`, `delete`,
/// `insert_bucket` or `remove_bucket`, without which it is added. Text that only OpenFlow 1.5 can say is
/// refused, and what Open vSwitch leaves out of OpenFlow 1.3 (bucket ids, selection methods) is only checked.
pub fn group(text: &str, names: &dyn Lookup) -> Result<ParsedGroup, ParseError> {
    group_at(Piece::new(text), names)
}

pub(super) fn group_at(text: Piece<'_>, names: &dyn Lookup) -> Result<ParsedGroup, ParseError> {
    let start = text.trim_start();
    let (word, _) = start.word(", \t\r\n");
    let (command, rest) = match word.command(&COMMANDS) {
        Some(command) => (command, start.split(word.text.len()).1),
        None => (Command::GroupMod(GroupModCommand::ADD), start),
    };
    if command == Command::GroupMod(GroupModCommand::DELETE) && rest.is_empty() {
        let (command, group_type) = (GroupModCommand::DELETE, GroupType::ALL);
        return Ok(ParsedGroup { command, group_type, group_id: GroupId::ALL, buckets: Vec::new() });
    }
    let (head_text, buckets) = match rest.text.find("bucket=") {
        Some(at) => (rest.split(at).0, Some(rest.split(at).1)),
        None => (rest, None),
    };
    if let Some(buckets) = buckets.filter(|_| !command.takes_buckets()) {
        return Err(buckets.error("no buckets with this command"));
    }
    let mut head = Head::new(command, start);
    let mut pairs = head_text;
    while let Some((key, value)) = pairs.next_pair() {
        head.part(key, value, names)?;
    }
    let buckets = head.buckets(buckets, names)?;
    head.finish(buckets)
}

impl Command {
    /// True if a group's type, and what else describes it, may stand there.
    const fn takes_type(self) -> bool {
        matches!(self, Self::GroupMod(command) if command.0 != GroupModCommand::DELETE.0)
    }

    const fn takes_buckets(self) -> bool {
        self.takes_type() || matches!(self, Self::InsertBucket)
    }
}

/// What stands before the buckets.
struct Head<'t> {
    command: Command,
    text: Piece<'t>,
    group_id: Option<GroupId>,
    group_type: Option<GroupType>,
    bucket_id: Option<Piece<'t>>,
    method: Option<Piece<'t>>,
    param: Option<Piece<'t>>,
    fields: Option<Piece<'t>>,
    /// What OpenFlow 1.3 has no place for, unless actions follow.
    later: Option<Piece<'t>>,
}

impl<'t> Head<'t> {
    const fn new(command: Command, text: Piece<'t>) -> Self {
        Self {
            command,
            text,
            group_id: None,
            group_type: None,
            bucket_id: None,
            method: None,
            param: None,
            fields: None,
            later: None,
        }
    }

    fn part(&mut self, key: Piece<'t>, value: Piece<'t>, names: &dyn Lookup) -> Result<(), ParseError> {
        let describes = matches!(key.text, "type" | "selection_method" | "selection_method_param" | "fields");
        if describes && !self.command.takes_type() {
            return Err(key.error("nothing that describes the group with this command"));
        }
        match key.text {
            "command_bucket_id" => self.command_bucket_id(key, value)?,
            "group_id" => self.group_id = Some(group_id(value)?),
            "type" => self.group_type = Some(group_type(value)?),
            "selection_method" if value.text.len() > MAX_METHOD => {
                return Err(value.error("a selection method of at most 15 characters"));
            }
            "selection_method" => (self.method, self.later) = (Some(value), Some(key)),
            "selection_method_param" => {
                let counts = values::number_u64(value)? != 0;
                (self.param, self.later) = (Some(key).filter(|_| counts), Some(key));
            }
            "fields" => {
                selection_fields(value, names)?;
                (self.fields, self.later) = (Some(key).filter(|_| !value.trim().is_empty()), Some(key));
            }
            _ => {
                return Err(key.error(
                    "group_id, type, command_bucket_id, selection_method, selection_method_param, fields or bucket",
                ));
            }
        }
        Ok(())
    }

    fn command_bucket_id(&mut self, key: Piece<'t>, value: Piece<'t>) -> Result<(), ParseError> {
        let all = value.text == "all";
        match self.command {
            Command::InsertBucket if !all => {}
            Command::RemoveBucket => {}
            Command::InsertBucket => return Err(value.error("first, last or the id of a bucket")),
            Command::GroupMod(_) => return Err(key.error("no command_bucket_id with this command")),
        }
        if !all && !matches!(value.text, "first" | "last") && number_u32(value)? > MAX_BUCKET_ID {
            return Err(value.error("first, last, all or the id of a bucket"));
        }
        self.bucket_id = Some(value);
        Ok(())
    }

    /// The encoded buckets.
    fn buckets(&mut self, text: Option<Piece<'_>>, names: &dyn Lookup) -> Result<Vec<u8>, ParseError> {
        let mut writer = Writer::new();
        let (mut rest, mut count) = (text, 0);
        while let Some((_, body)) = rest.and_then(|rest| rest.split_once("=")) {
            let (this, next) = match body.text.find("bucket=") {
                Some(at) => (body.split(at).0, Some(body.split(at).1)),
                None => (body, None),
            };
            count += 1;
            if count > 1 && self.group_type == Some(GroupType::INDIRECT) {
                return Err(this.error("at most one bucket in an indirect group"));
            }
            self.bucket(this, names, &mut writer)?;
            self.later = None;
            rest = next;
        }
        Ok(writer.into_vec())
    }

    fn bucket(&self, text: Piece<'_>, names: &dyn Lookup, writer: &mut Writer) -> Result<(), ParseError> {
        let group_type = self.group_type.unwrap_or(GroupType::ALL);
        let weight = u16::from(group_type == GroupType::SELECT);
        let mut bucket = Bucket { weight, watch_port: PortNo::ANY, watch_group: GroupId::ANY, actions: Raw::default() };
        let (mut pairs, mut listed) = (text, Vec::new());
        while let Some((key, value)) = pairs.next_pair() {
            match key.text.to_ascii_lowercase().as_str() {
                "weight" => bucket.weight = number_u16(value)?,
                "watch_port" => bucket.watch_port = watch_port(value, names)?,
                "watch_group" => bucket.watch_group = watch_group(value)?,
                "bucket_id" if number_u32(value)? > MAX_BUCKET_ID => return Err(value.error("the id of a bucket")),
                "bucket_id" => {}
                "action" | "actions" => {
                    let mut inner = value;
                    listed.extend(std::iter::from_fn(|| inner.next_pair()));
                }
                _ => listed.push((key, value)),
            }
        }
        if listed.is_empty() {
            return Err(text.error("a bucket with actions"));
        }
        if group_type == GroupType::FAST_FAILOVER && !bucket.watches() {
            return Err(text.error("a bucket with watch_port or watch_group in a fast failover group"));
        }
        let actions = actions::list(&listed, names)?;
        if self.command != Command::InsertBucket && group_type != GroupType::SELECT && bucket.weight != 0 {
            return Err(text.error("a weight in a select group only"));
        }
        bucket.actions = Raw::new(&actions);
        bucket.encode(writer).map_err(|_| text.error("a bucket that fits a message"))
    }

    fn finish(self, buckets: Vec<u8>) -> Result<ParsedGroup, ParseError> {
        let group_id = self.group_id.ok_or_else(|| self.text.error("a group with its group_id"))?;
        if self.command.takes_type() && self.group_type.is_none() {
            return Err(self.text.error("a group with its type: all, select, indirect or ff"));
        }
        if let Some(fields) = self.fields.filter(|_| self.method.is_none_or(|method| method.text != "hash")) {
            return Err(fields.error("fields with selection_method=hash only"));
        }
        if let Some(param) = self.param.filter(|_| self.method.is_none()) {
            return Err(param.error("selection_method_param with a selection_method only"));
        }
        match self.command {
            Command::InsertBucket if self.bucket_id.is_none() => {
                Err(self.text.error("command_bucket_id: where to insert the bucket"))
            }
            Command::InsertBucket | Command::RemoveBucket => {
                Err(self.text.error("add, modify, add_or_mod or delete: this command needs OpenFlow 1.5"))
            }
            Command::GroupMod(command) => match self.later {
                Some(later) => {
                    Err(later.error("what OpenFlow 1.3 can say: a group without buckets has this in 1.5 only"))
                }
                None => {
                    let group_type = self.group_type.unwrap_or(GroupType::ALL);
                    Ok(ParsedGroup { command, group_type, group_id, buckets })
                }
            },
        }
    }
}

fn group_id(value: Piece<'_>) -> Result<GroupId, ParseError> {
    if value.text == "all" {
        return Ok(GroupId::ALL);
    }
    let group_id = GroupId(number_u32(value)?);
    let good = group_id <= GroupId::MAX || group_id == GroupId::ALL;
    good.then_some(group_id).ok_or_else(|| value.error("all, or the number of a group up to 4294967040"))
}

fn group_type(value: Piece<'_>) -> Result<GroupType, ParseError> {
    match value.text {
        "all" => Ok(GroupType::ALL),
        "select" => Ok(GroupType::SELECT),
        "indirect" => Ok(GroupType::INDIRECT),
        "ff" | "fast_failover" => Ok(GroupType::FAST_FAILOVER),
        _ => Err(value.error("all, select, indirect, ff or fast_failover")),
    }
}

fn watch_port(value: Piece<'_>, names: &dyn Lookup) -> Result<PortNo, ParseError> {
    let port = values::port(value, names)?;
    let good = port < PortNo::MAX || [PortNo::ANY, PortNo::CONTROLLER].contains(&port);
    good.then_some(port).ok_or_else(|| value.error("a port to watch"))
}

fn watch_group(value: Piece<'_>) -> Result<GroupId, ParseError> {
    let group = GroupId(number_u32(value)?);
    (group <= GroupId::MAX).then_some(group).ok_or_else(|| value.error("a group to watch"))
}

/// Checks the fields that a selection method looks at: each once, with a mask that is not empty.
fn selection_fields(text: Piece<'_>, names: &dyn Lookup) -> Result<(), ParseError> {
    let (mut rest, mut seen) = (text, Vec::new());
    while let Some((key, value)) = rest.next_pair() {
        let field = Field::by_name(key.text).ok_or_else(|| key.error("the name of a field"))?;
        if seen.contains(&field) {
            return Err(key.error("each field once"));
        }
        seen.push(field);
        if value.is_empty() || field.is_variable() {
            continue;
        }
        let found = values::field_value(value, field, names)?;
        if found.value == 0 || !field.allows_mask(found.value) {
            return Err(value.error("a mask that the field takes and that is not empty"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::NoNames;
    use super::*;
    use crate::openflow::Entries;

    fn error(text: &str) -> (usize, &'static str) {
        let error = group(text, &NoNames).unwrap_err();
        (error.column, error.expected)
    }

    #[test]
    fn a_group_has_its_type_and_its_buckets() {
        let text = "add group_id=7,type=select,bucket=weight:5,output:1,bucket=weight=0,actions=output:2,output:3";
        let parsed = group(text, &NoNames).unwrap();
        let group = parsed.to_group_mod();
        assert_eq!((group.command, group.group_id), (GroupModCommand::ADD, GroupId(7)));
        assert_eq!(group.group_type, GroupType::SELECT);
        let buckets: Vec<Bucket<'_>> = Entries::new(group.buckets.reader()).collect::<Result<_, _>>().unwrap();
        let found: Vec<_> = buckets.iter().map(|bucket| (bucket.weight, bucket.actions.bytes().len())).collect();
        assert_eq!(found, [(5, 16), (0, 32)]);
    }

    #[test]
    fn all_groups_are_deleted_by_the_word_alone() {
        let parsed = group("delete", &NoNames).unwrap();
        assert_eq!(parsed.to_group_mod().group_id, GroupId::ALL);
        assert_eq!(group("delete group_id=3", &NoNames).unwrap().to_group_mod().group_id, GroupId(3));
        assert_eq!(error("delete group_id=3,bucket=output:1").0, 19);
    }

    #[test]
    fn what_is_no_group_is_refused_with_its_column() {
        for (text, column) in [
            ("group_id=1,type=all,bukket=output:1", 21),
            ("type=all,bucket=output:1", 1),
            ("group_id=1,bucket=output:1", 1),
            ("group_id=1,type=some,bucket=output:1", 17),
            ("group_id=4294967041,type=all", 10),
            ("group_id=1,type=all,bucket=weight:1,output:1", 28),
            ("group_id=1,type=ff,bucket=output:1", 27),
            ("group_id=1,type=all,bucket=", 28),
            ("group_id=1,type=indirect,bucket=output:1,bucket=output:2", 49),
            ("group_id=1,type=select,fields(eth_dst),bucket=output:1", 24),
            ("group_id=1,type=select,selection_method_param=1,bucket=output:1", 24),
            ("group_id=1,type=select,selection_method=dp_hash", 24),
            ("group_id=1,type=select,selection_method=hash,fields(eth_dst,eth_dst),bucket=output:1", 61),
            ("insert_bucket group_id=1,bucket=output:1", 1),
            ("insert_bucket group_id=1,command_bucket_id=first,bucket=output:1", 1),
            ("insert_bucket group_id=1,command_bucket_id=all,bucket=output:1", 44),
            ("remove_bucket group_id=1,command_bucket_id=last", 1),
            ("group_id=1,type=all,command_bucket_id=last,bucket=output:1", 21),
        ] {
            assert_eq!(error(text).0, column, "{text}: {}", error(text).1);
        }
    }
}

//! How flows look: options that several commands share.

use std::io::{self, IsTerminal};

use clap::Args;

use super::color::{Palette, When};
use super::table_names::TableNames;

/// Whether ports and tables have names.
#[derive(Args, Clone, Copy, Debug)]
pub struct ByName {
    /// Ports and tables by name (the default on a terminal)
    #[arg(long, overrides_with = "no_names")]
    names: bool,
    /// Ports and tables by number (the default elsewhere)
    #[arg(long)]
    no_names: bool,
}

impl ByName {
    /// What was asked for, or what becomes the standard output.
    pub fn get(self) -> bool {
        !self.no_names && (self.names || io::stdout().is_terminal())
    }
}

/// Names and colours.
#[derive(Args, Clone, Debug)]
pub struct Look {
    /// Whether ports and tables have names.
    #[command(flatten)]
    pub by_name: ByName,
    /// Names of tables that the switch does not name: auto, none, the name of a set, or a FILE of names
    ///
    /// Sets: br-int, br-tun and br-phys (Heddle, Neutron), ovn-22.03, ovn-23.03 (also ovn), ovn-24.03, antrea. By
    /// default the ports of the bridge tell which. A file has the form of Heddle's flows/tables.toml.
    #[arg(long, value_name = "SET", default_value = "auto", hide_default_value = true)]
    pub table_names: TableNames,
    /// Flows in colours; the environment variable OVS_COLORS changes them
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    color: Option<When>,
}

impl Look {
    /// The colours of flows, if they are to have any.
    pub fn palette(&self) -> Option<Palette> {
        Palette::of_environment(self.color.unwrap_or_default())
    }
}

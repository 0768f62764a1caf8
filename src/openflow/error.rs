//! OpenFlow error codes (OpenFlow 1.3.5 §7.4.4, and those that Open vSwitch adds).

use std::fmt;

/// What an `OFPT_ERROR` says: an error type and a code within it. Unknown pairs survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ErrorCode {
    /// `OFPET_*`, or 0xffff for an experimenter's.
    pub error_type: u16,
    /// The code within the type.
    pub code: u16,
}

macro_rules! error_codes {
    ($($name:ident = ($error_type:literal, $code:literal);)*) => {
        impl ErrorCode {
            $(#[doc = concat!("`OFP", stringify!($name), "`.")] pub const $name: Self = Self { error_type: $error_type, code: $code };)*

            /// The specification's name, such as `OFPBMC_BAD_PREREQ`, if the code is a known one.
            pub fn name(self) -> Option<&'static str> {
                match (self.error_type, self.code) {
                    $(($error_type, $code) => Some(concat!("OFP", stringify!($name))),)*
                    _ => None,
                }
            }
        }
    };
}

error_codes! {
    HFC_INCOMPATIBLE = (0, 0);
    HFC_EPERM = (0, 1);
    BRC_BAD_VERSION = (1, 0);
    BRC_BAD_TYPE = (1, 1);
    BRC_BAD_MULTIPART = (1, 2);
    BRC_BAD_EXPERIMENTER = (1, 3);
    BRC_BAD_EXP_TYPE = (1, 4);
    BRC_EPERM = (1, 5);
    BRC_BAD_LEN = (1, 6);
    BRC_BUFFER_EMPTY = (1, 7);
    BRC_BUFFER_UNKNOWN = (1, 8);
    BRC_BAD_TABLE_ID = (1, 9);
    BRC_IS_SLAVE = (1, 10);
    BRC_BAD_PORT = (1, 11);
    BRC_BAD_PACKET = (1, 12);
    BRC_MULTIPART_BUFFER_OVERFLOW = (1, 13);
    BAC_BAD_TYPE = (2, 0);
    BAC_BAD_LEN = (2, 1);
    BAC_BAD_EXPERIMENTER = (2, 2);
    BAC_BAD_EXP_TYPE = (2, 3);
    BAC_BAD_OUT_PORT = (2, 4);
    BAC_BAD_ARGUMENT = (2, 5);
    BAC_EPERM = (2, 6);
    BAC_TOO_MANY = (2, 7);
    BAC_BAD_QUEUE = (2, 8);
    BAC_BAD_OUT_GROUP = (2, 9);
    BAC_MATCH_INCONSISTENT = (2, 10);
    BAC_UNSUPPORTED_ORDER = (2, 11);
    BAC_BAD_TAG = (2, 12);
    BAC_BAD_SET_TYPE = (2, 13);
    BAC_BAD_SET_LEN = (2, 14);
    BAC_BAD_SET_ARGUMENT = (2, 15);
    BIC_UNKNOWN_INST = (3, 0);
    BIC_UNSUP_INST = (3, 1);
    BIC_BAD_TABLE_ID = (3, 2);
    BIC_UNSUP_METADATA = (3, 3);
    BIC_UNSUP_METADATA_MASK = (3, 4);
    BIC_BAD_EXPERIMENTER = (3, 5);
    BIC_BAD_EXP_TYPE = (3, 6);
    BIC_BAD_LEN = (3, 7);
    BIC_EPERM = (3, 8);
    BIC_DUP_INST = (3, 9);
    BMC_BAD_TYPE = (4, 0);
    BMC_BAD_LEN = (4, 1);
    BMC_BAD_TAG = (4, 2);
    BMC_BAD_DL_ADDR_MASK = (4, 3);
    BMC_BAD_NW_ADDR_MASK = (4, 4);
    BMC_BAD_WILDCARDS = (4, 5);
    BMC_BAD_FIELD = (4, 6);
    BMC_BAD_VALUE = (4, 7);
    BMC_BAD_MASK = (4, 8);
    BMC_BAD_PREREQ = (4, 9);
    BMC_DUP_FIELD = (4, 10);
    BMC_EPERM = (4, 11);
    FMFC_UNKNOWN = (5, 0);
    FMFC_TABLE_FULL = (5, 1);
    FMFC_BAD_TABLE_ID = (5, 2);
    FMFC_OVERLAP = (5, 3);
    FMFC_EPERM = (5, 4);
    FMFC_BAD_TIMEOUT = (5, 5);
    FMFC_BAD_COMMAND = (5, 6);
    FMFC_BAD_FLAGS = (5, 7);
    BFC_UNKNOWN = (17, 0);
    BFC_EPERM = (17, 1);
    BFC_BAD_ID = (17, 2);
    BFC_BUNDLE_EXIST = (17, 3);
    BFC_BUNDLE_CLOSED = (17, 4);
    BFC_OUT_OF_BUNDLES = (17, 5);
    BFC_BAD_TYPE = (17, 6);
    BFC_BAD_FLAGS = (17, 7);
    BFC_MSG_BAD_LEN = (17, 8);
    BFC_MSG_BAD_XID = (17, 9);
    BFC_MSG_UNSUP = (17, 10);
    BFC_MSG_CONFLICT = (17, 11);
    BFC_MSG_TOO_MANY = (17, 12);
    BFC_MSG_FAILED = (17, 13);
    BFC_TIMEOUT = (17, 14);
    BFC_BUNDLE_IN_PROGRESS = (17, 15);
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => out.write_str(name),
            None => write!(out, "error type {} code {}", self.error_type, self.code),
        }
    }
}

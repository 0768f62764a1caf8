//! OpenFlow error codes (OpenFlow 1.3.5 §7.4.4), and those of the ONF and Nicira extensions that Open
//! vSwitch sends in OpenFlow 1.3 (`include/openvswitch/ofp-errors.h`).

use std::fmt;

/// `ONF_VENDOR_ID`: the Open Networking Foundation as an experimenter.
pub const ONF: u32 = 0x4f4e_4600;
/// `NX_VENDOR_ID`: Nicira, today Open vSwitch, as an experimenter.
pub const NICIRA: u32 = 0x0000_2320;
/// `OFPET_EXPERIMENTER`: the error type of every experimenter's errors.
const EXPERIMENTER: u16 = 0xffff;

/// What an `OFPT_ERROR` says, as it stands on the wire. Unknown codes survive.
///
/// The constants bear the names of OpenFlow 1.3.5; [`name`](Self::name) is what `ovs-ofctl` prints, which
/// differs for a few. Bundle errors (`BFC_*`) have a type of their own only from OpenFlow 1.4 on: in 1.3
/// they are the ONF's experimenter errors, and so are the constants here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ErrorCode {
    /// Whose error it is if `error_type` is [`EXPERIMENTER`](Self::EXPERIMENTER); 0 otherwise.
    pub experimenter: u32,
    /// `OFPET_*`.
    pub error_type: u16,
    /// The code within the type; for an experimenter's error its `exp_type`.
    pub code: u16,
}

impl ErrorCode {
    /// `OFPET_EXPERIMENTER`: the error type of every experimenter's errors.
    pub const EXPERIMENTER: u16 = EXPERIMENTER;

    /// True for an error that the specification leaves to an experimenter: it names who that is.
    pub const fn is_experimenter(self) -> bool {
        self.error_type == EXPERIMENTER
    }
}

macro_rules! error_codes {
    ($($name:ident = ($experimenter:tt, $error_type:tt, $code:literal) $printed:literal;)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!("`", $printed, "` as Open vSwitch names it.")]
                pub const $name: Self = Self { experimenter: $experimenter, error_type: $error_type, code: $code };
            )*

            /// The name that Open vSwitch prints, such as `OFPBMC_BAD_PREREQ`, if the code is a known one.
            pub fn name(self) -> Option<&'static str> {
                match (self.experimenter, self.error_type, self.code) {
                    $(($experimenter, $error_type, $code) => Some($printed),)*
                    _ => None,
                }
            }
        }
    };
}

error_codes! {
    HFC_INCOMPATIBLE = (0, 0, 0) "OFPHFC_INCOMPATIBLE";
    HFC_EPERM = (0, 0, 1) "OFPHFC_EPERM";
    BRC_BAD_VERSION = (0, 1, 0) "OFPBRC_BAD_VERSION";
    BRC_BAD_TYPE = (0, 1, 1) "OFPBRC_BAD_TYPE";
    BRC_BAD_MULTIPART = (0, 1, 2) "OFPBRC_BAD_STAT";
    BRC_BAD_EXPERIMENTER = (0, 1, 3) "OFPBRC_BAD_VENDOR";
    BRC_BAD_EXP_TYPE = (0, 1, 4) "OFPBRC_BAD_SUBTYPE";
    BRC_EPERM = (0, 1, 5) "OFPBRC_EPERM";
    BRC_BAD_LEN = (0, 1, 6) "OFPBRC_BAD_LEN";
    BRC_BUFFER_EMPTY = (0, 1, 7) "OFPBRC_BUFFER_EMPTY";
    BRC_BUFFER_UNKNOWN = (0, 1, 8) "OFPBRC_BUFFER_UNKNOWN";
    BRC_BAD_TABLE_ID = (0, 1, 9) "OFPBRC_BAD_TABLE_ID";
    BRC_IS_SLAVE = (0, 1, 10) "OFPBRC_IS_SECONDARY";
    BRC_BAD_PORT = (0, 1, 11) "OFPBRC_BAD_PORT";
    BRC_BAD_PACKET = (0, 1, 12) "OFPBRC_BAD_PACKET";
    BRC_MULTIPART_BUFFER_OVERFLOW = (0, 1, 13) "OFPBRC_MULTIPART_BUFFER_OVERFLOW";
    BAC_BAD_TYPE = (0, 2, 0) "OFPBAC_BAD_TYPE";
    BAC_BAD_LEN = (0, 2, 1) "OFPBAC_BAD_LEN";
    BAC_BAD_EXPERIMENTER = (0, 2, 2) "OFPBAC_BAD_VENDOR";
    BAC_BAD_EXP_TYPE = (0, 2, 3) "OFPBAC_BAD_VENDOR_TYPE";
    BAC_BAD_OUT_PORT = (0, 2, 4) "OFPBAC_BAD_OUT_PORT";
    BAC_BAD_ARGUMENT = (0, 2, 5) "OFPBAC_BAD_ARGUMENT";
    BAC_EPERM = (0, 2, 6) "OFPBAC_EPERM";
    BAC_TOO_MANY = (0, 2, 7) "OFPBAC_TOO_MANY";
    BAC_BAD_QUEUE = (0, 2, 8) "OFPBAC_BAD_QUEUE";
    BAC_BAD_OUT_GROUP = (0, 2, 9) "OFPBAC_BAD_OUT_GROUP";
    BAC_MATCH_INCONSISTENT = (0, 2, 10) "OFPBAC_MATCH_INCONSISTENT";
    BAC_UNSUPPORTED_ORDER = (0, 2, 11) "OFPBAC_UNSUPPORTED_ORDER";
    BAC_BAD_TAG = (0, 2, 12) "OFPBAC_BAD_TAG";
    BAC_BAD_SET_TYPE = (0, 2, 13) "OFPBAC_BAD_SET_TYPE";
    BAC_BAD_SET_LEN = (0, 2, 14) "OFPBAC_BAD_SET_LEN";
    BAC_BAD_SET_ARGUMENT = (0, 2, 15) "OFPBAC_BAD_SET_ARGUMENT";
    BIC_UNKNOWN_INST = (0, 3, 0) "OFPBIC_UNKNOWN_INST";
    BIC_UNSUP_INST = (0, 3, 1) "OFPBIC_UNSUP_INST";
    BIC_BAD_TABLE_ID = (0, 3, 2) "OFPBIC_BAD_TABLE_ID";
    BIC_UNSUP_METADATA = (0, 3, 3) "OFPBIC_UNSUP_METADATA";
    BIC_UNSUP_METADATA_MASK = (0, 3, 4) "OFPBIC_UNSUP_METADATA_MASK";
    BIC_BAD_EXPERIMENTER = (0, 3, 5) "OFPBIC_BAD_EXPERIMENTER";
    BIC_BAD_EXP_TYPE = (0, 3, 6) "OFPBIC_BAD_EXP_TYPE";
    BIC_BAD_LEN = (0, 3, 7) "OFPBIC_BAD_LEN";
    BIC_EPERM = (0, 3, 8) "OFPBIC_EPERM";
    BMC_BAD_TYPE = (0, 4, 0) "OFPBMC_BAD_TYPE";
    BMC_BAD_LEN = (0, 4, 1) "OFPBMC_BAD_LEN";
    BMC_BAD_TAG = (0, 4, 2) "OFPBMC_BAD_TAG";
    BMC_BAD_DL_ADDR_MASK = (0, 4, 3) "OFPBMC_BAD_DL_ADDR_MASK";
    BMC_BAD_NW_ADDR_MASK = (0, 4, 4) "OFPBMC_BAD_NW_ADDR_MASK";
    BMC_BAD_WILDCARDS = (0, 4, 5) "OFPBMC_BAD_WILDCARDS";
    BMC_BAD_FIELD = (0, 4, 6) "OFPBMC_BAD_FIELD";
    BMC_BAD_VALUE = (0, 4, 7) "OFPBMC_BAD_VALUE";
    BMC_BAD_MASK = (0, 4, 8) "OFPBMC_BAD_MASK";
    BMC_BAD_PREREQ = (0, 4, 9) "OFPBMC_BAD_PREREQ";
    BMC_DUP_FIELD = (0, 4, 10) "OFPBMC_DUP_FIELD";
    BMC_EPERM = (0, 4, 11) "OFPBMC_EPERM";
    FMFC_UNKNOWN = (0, 5, 0) "OFPFMFC_UNKNOWN";
    FMFC_TABLE_FULL = (0, 5, 1) "OFPFMFC_TABLE_FULL";
    FMFC_BAD_TABLE_ID = (0, 5, 2) "OFPFMFC_BAD_TABLE_ID";
    FMFC_OVERLAP = (0, 5, 3) "OFPFMFC_OVERLAP";
    FMFC_EPERM = (0, 5, 4) "OFPFMFC_EPERM";
    FMFC_BAD_TIMEOUT = (0, 5, 5) "OFPFMFC_BAD_TIMEOUT";
    FMFC_BAD_COMMAND = (0, 5, 6) "OFPFMFC_BAD_COMMAND";
    FMFC_BAD_FLAGS = (0, 5, 7) "OFPFMFC_BAD_FLAGS";
    GMFC_GROUP_EXISTS = (0, 6, 0) "OFPGMFC_GROUP_EXISTS";
    GMFC_INVALID_GROUP = (0, 6, 1) "OFPGMFC_INVALID_GROUP";
    GMFC_WEIGHT_UNSUPPORTED = (0, 6, 2) "OFPGMFC_WEIGHT_UNSUPPORTED";
    GMFC_OUT_OF_GROUPS = (0, 6, 3) "OFPGMFC_OUT_OF_GROUPS";
    GMFC_OUT_OF_BUCKETS = (0, 6, 4) "OFPGMFC_OUT_OF_BUCKETS";
    GMFC_CHAINING_UNSUPPORTED = (0, 6, 5) "OFPGMFC_CHAINING_UNSUPPORTED";
    GMFC_WATCH_UNSUPPORTED = (0, 6, 6) "OFPGMFC_WATCH_UNSUPPORTED";
    GMFC_LOOP = (0, 6, 7) "OFPGMFC_LOOP";
    GMFC_UNKNOWN_GROUP = (0, 6, 8) "OFPGMFC_UNKNOWN_GROUP";
    GMFC_CHAINED_GROUP = (0, 6, 9) "OFPGMFC_CHAINED_GROUP";
    GMFC_BAD_TYPE = (0, 6, 10) "OFPGMFC_BAD_TYPE";
    GMFC_BAD_COMMAND = (0, 6, 11) "OFPGMFC_BAD_COMMAND";
    GMFC_BAD_BUCKET = (0, 6, 12) "OFPGMFC_BAD_BUCKET";
    GMFC_BAD_WATCH = (0, 6, 13) "OFPGMFC_BAD_WATCH";
    GMFC_EPERM = (0, 6, 14) "OFPGMFC_EPERM";
    PMFC_BAD_PORT = (0, 7, 0) "OFPPMFC_BAD_PORT";
    PMFC_BAD_HW_ADDR = (0, 7, 1) "OFPPMFC_BAD_HW_ADDR";
    PMFC_BAD_CONFIG = (0, 7, 2) "OFPPMFC_BAD_CONFIG";
    PMFC_BAD_ADVERTISE = (0, 7, 3) "OFPPMFC_BAD_ADVERTISE";
    PMFC_EPERM = (0, 7, 4) "OFPPMFC_EPERM";
    TMFC_BAD_TABLE = (0, 8, 0) "OFPTMFC_BAD_TABLE";
    TMFC_BAD_CONFIG = (0, 8, 1) "OFPTMFC_BAD_CONFIG";
    TMFC_EPERM = (0, 8, 2) "OFPTMFC_EPERM";
    QOFC_BAD_PORT = (0, 9, 0) "OFPQOFC_BAD_PORT";
    QOFC_BAD_QUEUE = (0, 9, 1) "OFPQOFC_BAD_QUEUE";
    QOFC_EPERM = (0, 9, 2) "OFPQOFC_EPERM";
    SCFC_BAD_FLAGS = (0, 10, 0) "OFPSCFC_BAD_FLAGS";
    SCFC_BAD_LEN = (0, 10, 1) "OFPSCFC_BAD_LEN";
    SCFC_EPERM = (0, 10, 2) "OFPSCFC_EPERM";
    RRFC_STALE = (0, 11, 0) "OFPRRFC_STALE";
    RRFC_UNSUP = (0, 11, 1) "OFPRRFC_UNSUP";
    RRFC_BAD_ROLE = (0, 11, 2) "OFPRRFC_BAD_ROLE";
    MMFC_UNKNOWN = (0, 12, 0) "OFPMMFC_UNKNOWN";
    MMFC_METER_EXISTS = (0, 12, 1) "OFPMMFC_METER_EXISTS";
    MMFC_INVALID_METER = (0, 12, 2) "OFPMMFC_INVALID_METER";
    MMFC_UNKNOWN_METER = (0, 12, 3) "OFPMMFC_UNKNOWN_METER";
    MMFC_BAD_COMMAND = (0, 12, 4) "OFPMMFC_BAD_COMMAND";
    MMFC_BAD_FLAGS = (0, 12, 5) "OFPMMFC_BAD_FLAGS";
    MMFC_BAD_RATE = (0, 12, 6) "OFPMMFC_BAD_RATE";
    MMFC_BAD_BURST = (0, 12, 7) "OFPMMFC_BAD_BURST";
    MMFC_BAD_BAND = (0, 12, 8) "OFPMMFC_BAD_BAND";
    MMFC_BAD_BAND_VALUE = (0, 12, 9) "OFPMMFC_BAD_BAND_VALUE";
    MMFC_OUT_OF_METERS = (0, 12, 10) "OFPMMFC_OUT_OF_METERS";
    MMFC_OUT_OF_BANDS = (0, 12, 11) "OFPMMFC_OUT_OF_BANDS";
    TFFC_BAD_TABLE = (0, 13, 0) "OFPTFFC_BAD_TABLE";
    TFFC_BAD_METADATA = (0, 13, 1) "OFPTFFC_BAD_METADATA";
    TFFC_BAD_TYPE = (0, 13, 2) "OFPBPC_BAD_TYPE";
    TFFC_BAD_LEN = (0, 13, 3) "OFPBPC_BAD_LEN";
    TFFC_BAD_ARGUMENT = (0, 13, 4) "OFPBPC_BAD_VALUE";
    TFFC_EPERM = (0, 13, 5) "OFPTFFC_EPERM";

    // ONF extensions for OpenFlow 1.3.
    BFC_UNKNOWN = (ONF, EXPERIMENTER, 2300) "OFPBFC_UNKNOWN";
    BFC_EPERM = (ONF, EXPERIMENTER, 2301) "OFPBFC_EPERM";
    BFC_BAD_ID = (ONF, EXPERIMENTER, 2302) "OFPBFC_BAD_ID";
    BFC_BUNDLE_EXIST = (ONF, EXPERIMENTER, 2303) "OFPBFC_BUNDLE_EXIST";
    BFC_BUNDLE_CLOSED = (ONF, EXPERIMENTER, 2304) "OFPBFC_BUNDLE_CLOSED";
    BFC_OUT_OF_BUNDLES = (ONF, EXPERIMENTER, 2305) "OFPBFC_OUT_OF_BUNDLES";
    BFC_BAD_TYPE = (ONF, EXPERIMENTER, 2306) "OFPBFC_BAD_TYPE";
    BFC_BAD_FLAGS = (ONF, EXPERIMENTER, 2307) "OFPBFC_BAD_FLAGS";
    BFC_MSG_BAD_LEN = (ONF, EXPERIMENTER, 2308) "OFPBFC_MSG_BAD_LEN";
    BFC_MSG_BAD_XID = (ONF, EXPERIMENTER, 2309) "OFPBFC_MSG_BAD_XID";
    BFC_MSG_UNSUP = (ONF, EXPERIMENTER, 2310) "OFPBFC_MSG_UNSUP";
    BFC_MSG_CONFLICT = (ONF, EXPERIMENTER, 2311) "OFPBFC_MSG_CONFLICT";
    BFC_MSG_TOO_MANY = (ONF, EXPERIMENTER, 2312) "OFPBFC_MSG_TOO_MANY";
    BFC_MSG_FAILED = (ONF, EXPERIMENTER, 2313) "OFPBFC_MSG_FAILED";
    BFC_TIMEOUT = (ONF, EXPERIMENTER, 2314) "OFPBFC_TIMEOUT";
    BFC_BUNDLE_IN_PROGRESS = (ONF, EXPERIMENTER, 2315) "OFPBFC_BUNDLE_IN_PROGRESS";
    FMFC_BAD_PRIORITY = (ONF, EXPERIMENTER, 2360) "OFPFMFC_BAD_PRIORITY";
    ACFC_INVALID = (ONF, EXPERIMENTER, 2370) "OFPACFC_INVALID";
    ACFC_UNSUPPORTED = (ONF, EXPERIMENTER, 2371) "OFPACFC_UNSUPPORTED";
    ACFC_EPERM = (ONF, EXPERIMENTER, 2372) "OFPACFC_EPERM";
    BIC_DUP_INST = (ONF, EXPERIMENTER, 2600) "OFPBIC_DUP_INST";
    BRC_MULTIPART_REQUEST_TIMEOUT = (ONF, EXPERIMENTER, 2640) "OFPBRC_MULTIPART_REQUEST_TIMEOUT";
    BRC_MULTIPART_REPLY_TIMEOUT = (ONF, EXPERIMENTER, 2641) "OFPBRC_MULTIPART_REPLY_TIMEOUT";
    BAC_BAD_SET_MASK = (ONF, EXPERIMENTER, 4250) "OFPBAC_BAD_SET_MASK";
    BPC_TOO_MANY = (ONF, EXPERIMENTER, 4443) "OFPBPC_TOO_MANY";
    BPC_DUP_TYPE = (ONF, EXPERIMENTER, 4444) "OFPBPC_DUP_TYPE";
    BPC_BAD_EXPERIMENTER = (ONF, EXPERIMENTER, 4445) "OFPBPC_BAD_EXPERIMENTER";
    BPC_BAD_EXP_TYPE = (ONF, EXPERIMENTER, 4446) "OFPBPC_BAD_EXP_TYPE";
    BPC_BAD_EXP_VALUE = (ONF, EXPERIMENTER, 4447) "OFPBPC_BAD_EXP_VALUE";
    BPC_EPERM = (ONF, EXPERIMENTER, 4448) "OFPBPC_EPERM";

    // Nicira extensions.
    NXBRC_NXM_INVALID = (NICIRA, EXPERIMENTER, 2) "NXBRC_NXM_INVALID";
    NXBRC_NXM_BAD_TYPE = (NICIRA, EXPERIMENTER, 3) "NXBRC_NXM_BAD_TYPE";
    NXBRC_MUST_BE_ZERO = (NICIRA, EXPERIMENTER, 4) "NXBRC_MUST_BE_ZERO";
    NXBRC_BAD_REASON = (NICIRA, EXPERIMENTER, 5) "NXBRC_BAD_REASON";
    MOFC_MONITOR_EXISTS = (NICIRA, EXPERIMENTER, 6) "OFPMOFC_MONITOR_EXISTS";
    MOFC_BAD_FLAGS = (NICIRA, EXPERIMENTER, 7) "OFPMOFC_BAD_FLAGS";
    MOFC_UNKNOWN_MONITOR = (NICIRA, EXPERIMENTER, 8) "OFPMOFC_UNKNOWN_MONITOR";
    NXBRC_FM_BAD_EVENT = (NICIRA, EXPERIMENTER, 9) "NXBRC_FM_BAD_EVENT";
    NXBRC_UNENCODABLE_ERROR = (NICIRA, EXPERIMENTER, 10) "NXBRC_UNENCODABLE_ERROR";
    NXBAC_MUST_BE_ZERO = (NICIRA, EXPERIMENTER, 11) "NXBAC_MUST_BE_ZERO";
    NXFMFC_HARDWARE = (NICIRA, EXPERIMENTER, 12) "NXFMFC_HARDWARE";
    NXFMFC_BAD_TABLE_ID = (NICIRA, EXPERIMENTER, 13) "NXFMFC_BAD_TABLE_ID";
    NXBAC_BAD_CONJUNCTION = (NICIRA, EXPERIMENTER, 15) "NXBAC_BAD_CONJUNCTION";
    NXTTMFC_BAD_COMMAND = (NICIRA, EXPERIMENTER, 16) "NXTTMFC_BAD_COMMAND";
    NXTTMFC_BAD_OPT_LEN = (NICIRA, EXPERIMENTER, 17) "NXTTMFC_BAD_OPT_LEN";
    NXTTMFC_BAD_FIELD_IDX = (NICIRA, EXPERIMENTER, 18) "NXTTMFC_BAD_FIELD_IDX";
    NXTTMFC_TABLE_FULL = (NICIRA, EXPERIMENTER, 19) "NXTTMFC_TABLE_FULL";
    NXTTMFC_ALREADY_MAPPED = (NICIRA, EXPERIMENTER, 20) "NXTTMFC_ALREADY_MAPPED";
    NXTTMFC_DUP_ENTRY = (NICIRA, EXPERIMENTER, 21) "NXTTMFC_DUP_ENTRY";
    NXR_NOT_SUPPORTED = (NICIRA, EXPERIMENTER, 34) "NXR_NOT_SUPPORTED";
    NXR_STALE = (NICIRA, EXPERIMENTER, 35) "NXR_STALE";
    NXST_NOT_CONFIGURED = (NICIRA, EXPERIMENTER, 36) "NXST_NOT_CONFIGURED";
    NXFMFC_INVALID_TLV_FIELD = (NICIRA, EXPERIMENTER, 37) "NXFMFC_INVALID_TLV_FIELD";
    NXTTMFC_INVALID_TLV_DEL = (NICIRA, EXPERIMENTER, 38) "NXTTMFC_INVALID_TLV_DEL";
    NXBAC_BAD_HEADER_TYPE = (NICIRA, EXPERIMENTER, 39) "NXBAC_BAD_HEADER_TYPE";
    NXBAC_UNKNOWN_ED_PROP = (NICIRA, EXPERIMENTER, 40) "NXBAC_UNKNOWN_ED_PROP";
    NXBAC_BAD_ED_PROP = (NICIRA, EXPERIMENTER, 41) "NXBAC_BAD_ED_PROP";
    NXBAC_CT_DATAPATH_SUPPORT = (NICIRA, EXPERIMENTER, 42) "NXBAC_CT_DATAPATH_SUPPORT";
    NXBMC_CT_DATAPATH_SUPPORT = (NICIRA, EXPERIMENTER, 43) "NXBMC_CT_DATAPATH_SUPPORT";
    NXTFFC_DUP_TABLE = (NICIRA, EXPERIMENTER, 44) "NXTFFC_DUP_TABLE";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => out.write_str(name),
            None if self.is_experimenter() => {
                write!(out, "error type {} of experimenter {:#010x}", self.code, self.experimenter)
            }
            None => write!(out, "error type {} code {}", self.error_type, self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_print_by_name_and_unknown_ones_by_number() {
        assert_eq!(ErrorCode::BMC_BAD_PREREQ.to_string(), "OFPBMC_BAD_PREREQ");
        assert_eq!(ErrorCode::BRC_BAD_EXPERIMENTER.to_string(), "OFPBRC_BAD_VENDOR");
        assert_eq!(ErrorCode::BFC_MSG_FAILED.to_string(), "OFPBFC_MSG_FAILED");
        assert_eq!(ErrorCode::BFC_MSG_FAILED, ErrorCode { experimenter: 0x4f4e_4600, error_type: 0xffff, code: 2313 });
        let unknown = ErrorCode { experimenter: 0, error_type: 99, code: 7 };
        assert_eq!(unknown.to_string(), "error type 99 code 7");
        let unknown = ErrorCode { experimenter: 0x1234, error_type: 0xffff, code: 7 };
        assert_eq!(unknown.to_string(), "error type 7 of experimenter 0x00001234");
    }
}

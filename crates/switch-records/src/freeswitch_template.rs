//! The templates of FreeSWITCH's `cdr_csv.conf.xml`.

use crate::WrongColumns;
use crate::csv_columns::{columns, surroundings};
use crate::fields::Fields;
use crate::freeswitch::Variable;
use crate::freeswitch_cause::is_name;
use crate::local_time::{Hint, moment};

/// Which variable stands in which column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreeswitchTemplate {
    /// What stands before the first column and behind the last, as of an SQL statement.
    prefix: String,
    suffix: String,
    pub(crate) variables: Vec<Option<Variable>>,
}

/// What FreeSWITCH ships, but for SQL around one and what is not used.
const SHIPPED: [(&str, &str); 6] = [
    (
        "example",
        "caller_id_name,caller_id_number,destination_number,context,start_stamp,answer_stamp,end_stamp,\
                 duration,billsec,hangup_cause,uuid,bleg_uuid,accountcode,read_codec,write_codec",
    ),
    (
        "sql",
        "INSERT INTO cdr VALUES (\"${caller_id_name}\",\"${caller_id_number}\",\"${destination_number}\",\
             \"${context}\",\"${start_stamp}\",\"${answer_stamp}\",\"${end_stamp}\",\"${duration}\",\"${billsec}\",\
             \"${hangup_cause}\",\"${uuid}\",\"${bleg_uuid}\", \"${accountcode}\");",
    ),
    (
        "snom",
        "caller_id_name,caller_id_number,destination_number,context,start_stamp,answer_stamp,end_stamp,duration,\
              billsec,hangup_cause,uuid,bleg_uuid,accountcode,read_codec,write_codec,sip_user_agent,call_clientcode,\
              sip_rtp_rxstat,sip_rtp_txstat,sofia_record_file",
    ),
    (
        "linksys",
        "caller_id_name,caller_id_number,destination_number,context,start_stamp,answer_stamp,end_stamp,\
                 duration,billsec,hangup_cause,uuid,bleg_uuid,accountcode,read_codec,write_codec,sip_user_agent,\
                 sip_p_rtp_stat",
    ),
    (
        "asterisk",
        "accountcode,caller_id_number,destination_number,context,caller_id,channel_name,bridge_channel,\
                  last_app,last_arg,start_stamp,answer_stamp,end_stamp,duration,billsec,hangup_cause,amaflags,uuid,\
                  userfield",
    ),
    (
        OPEN_CDR_RATE,
        "uuid,signal_bond,direction,ani,destination_number,answer_stamp,end_stamp,billsec,accountcode,\
                     userfield,network_addr,original_caller_id_name,sip_gateway_name",
    ),
];

/// It leaves out what a call needs.
const OPEN_CDR_RATE: &str = "opencdrrate";

impl FreeswitchTemplate {
    /// The text of a template, or the names of its variables.
    pub fn given(text: &str) -> Result<Self, WrongColumns> {
        let template = Self::of(text);
        let has = |wanted: &[Variable]| template.variables.iter().flatten().any(|variable| wanted.contains(variable));
        let required = [
            ("destination_number", &[Variable::Callee][..]),
            ("caller_id_number", &[Variable::Caller, Variable::Ani]),
            ("start_stamp", &[Variable::StartStamp, Variable::StartEpoch, Variable::StartUepoch]),
            ("end_stamp", &[Variable::EndStamp, Variable::EndEpoch, Variable::EndUepoch, Variable::Duration]),
            ("answer_stamp", &[Variable::AnswerStamp, Variable::AnswerEpoch, Variable::AnswerUepoch]),
            ("hangup_cause", &[Variable::Cause, Variable::CauseNumber]),
        ];
        match required.into_iter().find(|(_, wanted)| !has(wanted)) {
            Some((name, _)) => Err(WrongColumns::Missing(name, WANTED)),
            None => Ok(template),
        }
    }

    /// The template that FreeSWITCH ships and that the first rows of a file were written by; `None` if by none.
    pub fn detect(rows: &[&[u8]]) -> Result<Option<Self>, WrongColumns> {
        let mut fields = Fields::new(b',');
        for (name, text) in SHIPPED {
            let template = Self::of(text);
            let fits = rows.iter().any(|row| fields.split(template.strip(row)) && template.fits(&fields));
            if fits && name == OPEN_CDR_RATE {
                return Err(WrongColumns::Template(name, "start_stamp and hangup_cause"));
            }
            if fits {
                return Ok(Some(template));
            }
        }
        Ok(None)
    }

    /// The columns of a row, without what stands around them.
    pub(crate) fn strip<'r>(&self, row: &'r [u8]) -> &'r [u8] {
        let row = row.trim_ascii();
        let row = row.strip_prefix(self.prefix.as_bytes()).unwrap_or(row);
        row.strip_suffix(self.suffix.as_bytes()).unwrap_or(row)
    }

    fn of(text: &str) -> Self {
        let text = text.trim();
        let (prefix, suffix) = surroundings(text);
        let variables = columns(text).iter().map(|name| Variable::of(name)).collect();
        Self { prefix: prefix.to_owned(), suffix: suffix.to_owned(), variables }
    }

    /// Whether a row has as many columns, times where they should be, a cause and a uuid.
    fn fits(&self, fields: &Fields) -> bool {
        let utc = jiff::tz::TimeZone::UTC;
        let mut known = self.variables.iter().enumerate().filter_map(|(place, variable)| Some((place, (*variable)?)));
        fields.len() == self.variables.len()
            && known.all(|(place, variable)| {
                let text = fields.get(place);
                match variable {
                    Variable::StartStamp | Variable::EndStamp => {
                        matches!(moment(&utc, "start", text, Hint::NONE), Ok(Some(_)))
                    }
                    Variable::AnswerStamp => moment(&utc, "answer", text, Hint::NONE).is_ok(),
                    Variable::Cause => is_name(text),
                    Variable::Uuid => is_uuid(text),
                    Variable::Direction => matches!(text, "inbound" | "outbound"),
                    _ => true,
                }
            })
    }
}

const WANTED: &str = "caller_id_number, destination_number, start_stamp, answer_stamp, end_stamp or duration, hangup_cause; \
                      uuid and bleg_uuid to know legs of a call";

fn is_uuid(text: &str) -> bool {
    text.len() == UUID_LEN && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Bytes of a uuid as text.
const UUID_LEN: usize = 36;

//! Who may do what (annex C as data) and which roles one person may not join (D-048).

use crate::class;
use crate::refusal::{RefusalKind, Unmet};
use crate::restart::Criterion;
use crate::vocab::{IncidentClass, NodeRole, Profile, Role, Severity};

mod separation;
mod table;

pub use separation::{Duty, SelfReviewed, check_separation, conflicts, duties_conflict};
pub use table::{Act, Cell, ROWS, Row};

use table::Part;

/// The roles that decide (D-030, D-048): not reporter, Recovery Operator, Audit Scribe or machine.
pub const DECIDING: [Role; 6] = [
    Role::OnCallOperator,
    Role::IncidentCommander,
    Role::ConsensusLead,
    Role::ExecutionLead,
    Role::SecurityLead,
    Role::GovernanceLiaison,
];

/// The roles that lead classes or drafts and review closures (annex C row 30).
pub const LEADS: [Role; 4] =
    [Role::ConsensusLead, Role::ExecutionLead, Role::SecurityLead, Role::GovernanceLiaison];

/// What a permission depends on beside act and role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ctx {
    /// Primary class of the incident.
    pub class: IncidentClass,
    /// Severity that the row asks for: the peak for closing, else the current one.
    pub severity: Severity,
    /// An Incident Commander is assigned.
    pub ic_assigned: bool,
    /// The signed policy lists this detector for this gate (rows 10, 11, 27; D-084).
    pub in_policy: bool,
    /// The commander delegated status texts to the Audit Scribe (row 29, D-052).
    pub delegated: bool,
    /// Profile that would be declared (row 12). None counts as wide.
    pub profile: Option<Profile>,
    /// Node role that would be restarted (row 25).
    pub node_role: Option<NodeRole>,
    /// Criterion that would be signed (row 23).
    pub criterion: Option<Criterion>,
    /// Role of the compromised key, whose lead is second lead (annex N.1).
    pub key_role: Option<NodeRole>,
}

impl Ctx {
    /// A context in which nothing but class and severity is known; the strict answer elsewhere.
    #[must_use]
    pub const fn new(class: IncidentClass, severity: Severity) -> Self {
        Self {
            class,
            severity,
            ic_assigned: true,
            in_policy: false,
            delegated: false,
            profile: None,
            node_role: None,
            criterion: None,
            key_role: None,
        }
    }

    /// The leads of the incident: first and second of annex N.1.
    #[must_use]
    pub fn leads(&self) -> Vec<Role> {
        class::leads(self.class, self.key_role)
    }
}

/// What annex C says about one act of one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// May act alone.
    May,
    /// Prepares only; somebody else approves.
    Prepares,
    /// May act once every inner list has one signature of another person in one of its roles.
    WithSecond(Vec<Vec<Role>>),
    /// May not.
    Refused,
}

/// The permission of annex C.
///
/// Implements R-6.1-1, R-6.1-2, R-6.1-3, R-6.1-4, R-6.1-5, R-6.1-6, R-6.1-7, R-6.1-9, R-6.1-10,
/// R-2.1-3, R-11.3-2.
#[must_use]
pub fn permission(act: Act, role: Role, ctx: &Ctx) -> Permission {
    let (row, part) = act.place();
    let cell = ROWS[usize::from(row) - 1].cells[role as usize];
    match cell {
        Cell::No | Cell::Derived | Cell::Computes | Cell::StatusClass => Permission::Refused,
        Cell::May => Permission::May,
        Cell::Prepares | Cell::PreparesWithIc => when(part == Part::Prepare, Permission::Prepares),
        Cell::Approves => when(part == Part::Approve, Permission::May),
        Cell::Lead => when(ctx.leads().contains(&role), Permission::May),
        Cell::UntilIc => when(!ctx.ic_assigned, Permission::May),
        Cell::Acting => acting(ctx),
        Cell::Policy => when(ctx.in_policy, Permission::May),
        Cell::Signs => when(criterion_of(role, ctx), Permission::May),
        Cell::Measures => when(ctx.criterion == Some(Criterion::Telemetry), Permission::May),
        Cell::Notary => when(ctx.node_role == Some(NodeRole::Notary), Permission::May),
        Cell::Agent => when(ctx.node_role == Some(NodeRole::Agent), Permission::May),
        Cell::CarriesOut => when(part == Part::CarryOut, Permission::May),
        Cell::UpToSev2 => when(ctx.severity <= Severity::Sev2Medium, Permission::May),
        Cell::Delegated => when(ctx.delegated, Permission::May),
        Cell::Reviews => when(part == Part::Approve && reviews(role, ctx), Permission::May),
        Cell::Publishes => when(part == Part::Publish, Permission::May),
        Cell::SignsText => when(part == Part::Approve, Permission::May),
        Cell::WritesAndSigns => {
            when(matches!(part, Part::Prepare | Part::Approve), Permission::May)
        }
        Cell::CloseLow => {
            when(part == Part::Whole && ctx.severity <= Severity::Sev2Medium, Permission::May)
        }
        Cell::CloseAny => when(part == Part::Whole, close(ctx)),
        Cell::WithLead => with_lead(act, ctx),
        Cell::WithScribe => Permission::WithSecond(vec![vec![Role::AuditScribe]]),
        Cell::WithCommander => Permission::WithSecond(vec![vec![Role::IncidentCommander]]),
        Cell::WithConsensus => Permission::WithSecond(vec![vec![Role::ConsensusLead]]),
        Cell::WithSecurity => Permission::WithSecond(vec![vec![Role::SecurityLead]]),
        Cell::WithLiaison => {
            when(part == Part::Approve, Permission::WithSecond(vec![vec![Role::GovernanceLiaison]]))
        }
        Cell::WithLiaisonAndConsensus => when(
            part == Part::Approve,
            Permission::WithSecond(vec![vec![Role::GovernanceLiaison], vec![Role::ConsensusLead]]),
        ),
        Cell::WithOther => Permission::WithSecond(vec![
            DECIDING.into_iter().filter(|r| *r != role && *r != Role::OnCallOperator).collect(),
        ]),
    }
}

/// [`permission`], with `Refused` as the reason why.
///
/// # Errors
/// `not_authorized` naming the roles that may; `forbidden_power` for row 18, which nobody holds;
/// `label_unproven` for row 19, which is derived.
pub fn permit(act: Act, role: Role, ctx: &Ctx) -> Result<Permission, Unmet> {
    let given = permission(act, role, ctx);
    if given != Permission::Refused {
        return Ok(given);
    }
    let row = act.place().0;
    let rule = format!("6.1, annex C row {row}");
    let what = format!("{role} may not {act}");
    if act == Act::SubmitProtocolObject {
        let remedy = "hand the approved draft to the protocol's own authorities (D-088)";
        return Err(Unmet::new(RefusalKind::ForbiddenPower, what, rule, remedy));
    }
    if act == Act::StateProtocolActive {
        let remedy = "let it be observed in a finalized object (annex G)";
        return Err(Unmet::new(RefusalKind::LabelUnproven, what, rule, remedy));
    }
    let may: Vec<_> = Role::ALL
        .iter()
        .filter(|r| permission(act, **r, ctx) != Permission::Refused)
        .map(|r| r.as_str())
        .collect();
    let remedy = if may.is_empty() {
        "nobody may in this situation".to_owned()
    } else {
        format!("let {} do it", may.join(", "))
    };
    Err(Unmet::new(RefusalKind::NotAuthorized, what, rule, remedy))
}

fn when(condition: bool, permission: Permission) -> Permission {
    if condition { permission } else { Permission::Refused }
}

/// D-050: the acting commander chooses narrow profiles alone, wider ones with a second person.
fn acting(ctx: &Ctx) -> Permission {
    if ctx.ic_assigned {
        return Permission::Refused;
    }
    match ctx.profile {
        Some(Profile::ObserveOnly | Profile::LocalDegraded) => Permission::May,
        Some(
            Profile::SafeModeScoped
            | Profile::HaltScoped
            | Profile::EmergencyRestriction
            | Profile::ProtocolRecovery
            | Profile::ForensicOnly,
        )
        | None => {
            let mut second = vec![Role::OnCallOperator];
            second.extend(LEADS);
            Permission::WithSecond(vec![second])
        }
    }
}

/// Row 23 with annex J.2: whose criterion it is.
fn criterion_of(role: Role, ctx: &Ctx) -> bool {
    ctx.criterion.is_some_and(|criterion| criterion.signers_in(ctx.class).contains(&role))
}

/// Guard `review` of annex B: any lead at SEV_3, the class lead from SEV_4.
fn reviews(role: Role, ctx: &Ctx) -> bool {
    ctx.severity < Severity::Sev4Critical
        || class::signing_leads(ctx.class, ctx.key_role).contains(&role)
}

fn close(ctx: &Ctx) -> Permission {
    match ctx.severity {
        Severity::Sev0Info | Severity::Sev1Low | Severity::Sev2Medium => Permission::May,
        Severity::Sev3High => Permission::WithSecond(vec![LEADS.to_vec()]),
        Severity::Sev4Critical | Severity::Sev5Systemic => {
            Permission::WithSecond(vec![class::signing_leads(ctx.class, ctx.key_role)])
        }
    }
}

/// Rows 5 (from SEV_4) and 13 (from SEV_3): the class lead signs too; below, the commander alone.
fn with_lead(act: Act, ctx: &Ctx) -> Permission {
    let from = if act == Act::LowerSeverity { Severity::Sev4Critical } else { Severity::Sev3High };
    if ctx.severity >= from { Permission::WithSecond(vec![ctx.leads()]) } else { Permission::May }
}

#[cfg(test)]
mod matrix;
#[cfg(test)]
mod tests;

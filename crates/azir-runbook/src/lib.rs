//! azir-runbook.

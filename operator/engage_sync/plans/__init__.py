"""Where plans are shown to people and approvals come from: a folder, or SyncPlans in a cluster."""

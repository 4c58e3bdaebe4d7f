#include "apply/switch_ledger.hpp"

#include "apply/ledger_change.hpp"

namespace lockstep::apply {

namespace {

// One row per migration beside the ledger's: applications that write above READ COMMITTED lock it
// FOR SHARE until they end, and the ledger's own row moves with each batch.
constexpr char kEnsure[] =
    "ALTER TABLE lockstep.ledger DROP CONSTRAINT IF EXISTS ledger_role_check,"
    " ADD CONSTRAINT ledger_role_check CHECK (role IN ('replica', 'fenced', 'primary')),"
    " ADD COLUMN IF NOT EXISTS switching boolean NOT NULL DEFAULT false,"
    " ADD COLUMN IF NOT EXISTS reverse_era uuid,"
    " ADD COLUMN IF NOT EXISTS reverse_number bigint,"
    " ADD COLUMN IF NOT EXISTS reverse_identity bigint,"
    " ADD COLUMN IF NOT EXISTS fence_pass bigint,"
    " ADD COLUMN IF NOT EXISTS owed_pass bigint,"
    " ADD COLUMN IF NOT EXISTS owed_behind text[];"
    "CREATE TABLE IF NOT EXISTS lockstep.switchover ("
    " migration text PRIMARY KEY REFERENCES lockstep.ledger ON DELETE CASCADE,"
    " role text NOT NULL CHECK (role IN ('replica', 'fenced', 'primary')),"
    " fence bigint NOT NULL DEFAULT 0,"
    " attempt bigint NOT NULL DEFAULT 0,"
    " decision text NOT NULL DEFAULT 'none' CHECK (decision IN ('none', 'pending', 'committed', "
    "'aborted')),"
    " updated timestamptz NOT NULL DEFAULT now()"
    ");"
    "ALTER TABLE lockstep.ledger_tables ADD COLUMN IF NOT EXISTS reverse_seen text;"
    "ALTER TABLE lockstep.switchover ADD COLUMN IF NOT EXISTS fence_pass bigint;"
    "ALTER TABLE lockstep.ledger_tables ADD COLUMN IF NOT EXISTS reverse_touched boolean;"
    "ALTER TABLE lockstep.switchover ADD COLUMN IF NOT EXISTS tables_before oid[]";

}  // namespace

void ensure_switch_ledger(postgres::Connection& connection) {
  // Asked first: ALTER TABLE takes a lock that a reader would hold up.
  if (connection
          .exec("SELECT count(*) = 3 FROM pg_attribute WHERE NOT attisdropped AND (attrelid, "
                "attname) "
                "IN ((to_regclass('lockstep.ledger'), 'owed_behind'), "
                "(to_regclass('lockstep.ledger_tables'), 'reverse_touched'), "
                "(to_regclass('lockstep.switchover'), 'tables_before'))")
          .boolean(0, 0))
    return;
  change_ledger(connection, kEnsure);
}

}  // namespace lockstep::apply

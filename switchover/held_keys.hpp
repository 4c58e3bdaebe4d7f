// Keys of lockstep.quarantine behind a rollback: rounds of the way back may have brought their
// rows.
#pragma once

#include <string>
#include <vector>

#include "capture/relog.hpp"
#include "link/postgres/connection.hpp"
#include "model/shape.hpp"

namespace lockstep::switchover {

/// While PostgreSQL has the writers nobody adds any, and the application may write rows of these
/// keys there: then both sides hold them, and the quarantine a value that is nowhere any more.
/// So a rollback logs all of them in SQLite (capture/relog), in the transaction that opens it or
/// just before, and the first batch decides anew, as for any change: what still does not fit stays
/// in quarantine as it was, also skipped.
[[nodiscard]] std::vector<capture::KeyToRead> held_keys(postgres::Connection& connection,
                                                        const std::string& migration,
                                                        const std::vector<TablePlan>& plans);

}  // namespace lockstep::switchover

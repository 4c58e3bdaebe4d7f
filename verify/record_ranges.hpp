// lockstep.verify_ranges: what a pass has proven, range by range, each at its own position. For
// record only. And how a table's record begins anew.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "link/postgres/connection.hpp"
#include "verify/record.hpp"

namespace lockstep::verify {

/// Bytes as PostgreSQL reads them.
[[nodiscard]] std::string hex_of(std::string_view bytes);

/// In the caller's transaction: the range by which `record` came to be.
void write_range(postgres::Connection& connection, std::int64_t pass, const TableRecord& record,
                 const RangeRecord& range);

/// One transaction: the table was not compared in this pass, nothing was found in it.
void forget_table(postgres::Connection& connection, std::int64_t pass, std::uint32_t table);

/// Keeps those of the migration's last three passes, and of passes that are not over.
void forget_old_ranges(postgres::Connection& connection, const std::string& migration);

}  // namespace lockstep::verify

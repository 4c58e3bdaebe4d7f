// Which tables were written on PostgreSQL since the cutover.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "link/postgres/connection.hpp"

namespace lockstep::switchover {

/// Before a cutover, while only lockstep writes there: none was. Each round enters those that it
/// brought with its acknowledgement. Does nothing once PostgreSQL has the writers.
void forget_touched(postgres::Connection& connection, const std::string& migration);

/// Tables that surely nobody has written to since the cutover, as of now. Not those of a cutover by
/// a lockstep that did not keep this.
[[nodiscard]] std::set<std::uint32_t> untouched_tables(postgres::Connection& connection,
                                                       const std::string& migration);

}  // namespace lockstep::switchover

// Which tables of the hostile applications lockstep follows: all that can be carried exactly, and
// what of it works so far.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

namespace lockstep::test {

/// What workload_public.py writes and can be carried exactly. Not among it: kv, pk_text (values of
/// several storage classes), gen_zoo (a column that is computed from a computed one), notes_fts
/// (virtual).
inline const std::vector<std::string> kTorture{
    "acct",    "audit", "orders",   "order_lines", "seats",         "slugs",       "tags",
    "tree",    "bag",   "ledger_a", "ledger_b",    "reals",         "int_edges",   "rowid_edges",
    "pk_comp", "flags", "auto_gap", "implicit_id", "text_specials", "defaults_zoo"};
inline const std::vector<std::string> kTortureToday{
    "acct",  "audit",    "order_lines", "seats",         "tags",        "tree",
    "reals", "ledger_a", "ledger_b",    "int_edges",     "rowid_edges", "pk_comp",
    "flags", "auto_gap", "implicit_id", "text_specials", "defaults_zoo"};

/// What node_writer/writer.js writes: all of it can be carried.
inline const std::vector<std::string> kNode{"users", "prices", "readings", "boxes",
                                            "jobs",  "pages",  "docs",     "events"};
inline const std::vector<std::string> kNodeToday{"users", "prices", "readings", "boxes"};

/// Where "today" goes once all of it works.
inline const std::vector<std::string>& kTortureFollowed = kTortureToday;
inline const std::vector<std::string>& kNodeFollowed = kNodeToday;

/// As --tables takes them.
inline std::string listed(const std::vector<std::string>& tables) {
  return fmt::format("{}", fmt::join(tables, ","));
}

}  // namespace lockstep::test

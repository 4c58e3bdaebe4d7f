// Which tables of the hostile applications lockstep follows: all that can be carried exactly.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

namespace lockstep::test {

/// What workload_public.py writes and can be carried exactly as it is. Not among it: kv and
/// pk_text, whose columns mix storage classes (torture_test has rules for them), and notes_fts,
/// which is virtual.
inline const std::vector<std::string> kTorture{
    "acct",    "audit", "orders",   "order_lines", "seats",         "slugs",        "tags",
    "tree",    "bag",   "ledger_a", "ledger_b",    "reals",         "int_edges",    "rowid_edges",
    "pk_comp", "flags", "auto_gap", "implicit_id", "text_specials", "defaults_zoo", "gen_zoo"};
/// What node_writer/writer.js writes: all of it can be carried.
inline const std::vector<std::string> kNode{"users", "prices", "readings", "boxes",
                                            "jobs",  "pages",  "docs",     "events"};

/// As --tables takes them.
inline std::string listed(const std::vector<std::string>& tables) {
  return fmt::format("{}", fmt::join(tables, ","));
}

}  // namespace lockstep::test

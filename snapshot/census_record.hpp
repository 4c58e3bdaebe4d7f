// What a census found, as bytes: so that it need not be taken twice. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "model/type_map.hpp"
#include "snapshot/census.hpp"

namespace lockstep::snapshot {

struct KnownTable {
  std::string asked;   ///< asked_for() of the census
  double seconds = 0;  ///< that taking it took
  TableCensus census;
};

struct CensusRecord {
  std::string state;          ///< sqlite::file_state() when it was taken
  std::int64_t taken_us = 0;  ///< wall clock, to be shown
  std::map<std::string, KnownTable> tables;
};

/// What else than the rows a census depends on: shape, rules, the types on the target, and what
/// integers are.
[[nodiscard]] std::string asked_for(const TableShape& shape, const TableRules& rules,
                                    const TargetTypes& targets,
                                    Integers integers = Integers::unknown);

/// CBOR, exact for any bytes. `version` is of the program: another one may count otherwise.
[[nodiscard]] std::string encode_census(const CensusRecord& record, std::string_view version);
/// Nothing if it is damaged or of another version.
[[nodiscard]] std::optional<CensusRecord> decode_census(std::string_view bytes,
                                                        std::string_view version);

}  // namespace lockstep::snapshot

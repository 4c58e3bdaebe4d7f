// Which faults of tests/data/faults.json a run of the tests has provoked, and what lockstep did.
#pragma once

#include <string_view>

namespace lockstep::test {

/// To be called by the test that provoked fault `id` ("A6"), after its last REQUIRE. `seen` is what
/// lockstep did, in words that are the same in every run: it begins with GO, WAIT, HALT or REFUSE
/// and ends up in tests/faults.md.
void saw_fault(std::string_view id, std::string_view seen);

/// In its place where this machine cannot provoke it: tests/faults.py --check lets few of these
/// pass, and nothing that was not provoked without a word.
void skipped_fault(std::string_view id, std::string_view why);

}  // namespace lockstep::test

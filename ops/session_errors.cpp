#include "ops/session_errors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "link/wire/control.hpp"

namespace lockstep::ops {

Error lost_message(std::string_view sender, std::uint64_t number, std::uint64_t due) {
  return Error({.code = "LS-W506",
                .exit = ExitCode::stopped,
                .what = fmt::format("a message of {} was lost", sender),
                .why = fmt::format("message {} came where {} was due", number, due),
                .data = "safe: the session starts again from the ledger's position",
                .todo = "nothing",
                .retry = Retry::new_session});
}

Error not_for_capture(wire::Kind kind) {
  return Error({.code = "LS-W507",
                .exit = ExitCode::stopped,
                .what = fmt::format("apply sent a {} message", to_string(kind)),
                .why = "only capture sends that",
                .data = "nothing was changed",
                .todo = "check that both ends are lockstep",
                .retry = Retry::new_session});
}

Error false_ack(const std::string& position) {
  return Error({.code = "LS-W507",
                .exit = ExitCode::stopped,
                .what = fmt::format("apply confirmed position {}", position),
                .why = "it was not sent so far in this session",
                .data = "nothing was pruned for it",
                .todo = "check that both ends are lockstep",
                .retry = Retry::new_session});
}

Error too_large_to_compare(wire::Kind kind, std::size_t bytes) {
  return Error(
      {.code = "LS-V537",
       .exit = ExitCode::stopped,
       .what = fmt::format("a {} message of a comparison is too large to be sent", to_string(kind)),
       .why = fmt::format("it has {} bytes, of which keys are the most; {} are allowed", bytes,
                          wire::kBodyBytesMax),
       .data = "the rest of its table is not compared; changes are carried as ever",
       .todo = "stop lockstep at a quiet moment and verify without it: there no message "
               "is in between",
       .retry = Retry::never});
}

Error no_answer(const std::string& why) {
  return Error({.code = "LS-W508",
                .exit = ExitCode::unreachable,
                .what = "capture does not answer",
                .why = why,
                .data = "safe: changes wait in the source's change table",
                .todo = "nothing; apply asks again",
                .retry = Retry::new_session});
}

Error session_ended() {
  return Error({.code = "LS-W509",
                .exit = ExitCode::unreachable,
                .what = "capture ended the session",
                .why = "it is being stopped, or it lost the source for a moment",
                .data = "safe: changes wait in the source's change table",
                .todo = "nothing; apply asks again",
                .retry = Retry::new_session});
}

Error refusal_of_capture(std::string_view body) {
  ErrorFacts facts = wire::decode_refusal(body);
  constexpr std::array kSourceAils{"LS-S306", "LS-S308", "LS-S309", "LS-S317",
                                   "LS-S320", "LS-S322", "LS-S323"};
  if (std::find(kSourceAils.begin(), kSourceAils.end(), facts.code) != kSourceAils.end())
    facts.retry = Retry::new_session;
  return Error(std::move(facts));
}

bool is_not_understood(const Error& error) {
  return error.code().starts_with("LS-W50") && error.code() < "LS-W508";
}

}  // namespace lockstep::ops

// What can go wrong between capture and apply, by name. Each is mended by a new session from the
// ledger's position, unless it says otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "link/wire/message.hpp"
#include "model/error.hpp"

namespace lockstep::ops {

/// LS-W506; `sender` is capture or apply.
[[nodiscard]] Error lost_message(std::string_view sender, std::uint64_t number, std::uint64_t due);
/// LS-W507: apply sent what only capture sends.
[[nodiscard]] Error not_for_capture(wire::Kind kind);
/// LS-W507: apply confirmed a position that it cannot have.
[[nodiscard]] Error false_ack(const std::string& position);
/// LS-W508
[[nodiscard]] Error no_answer(const std::string& why);
/// LS-W509
[[nodiscard]] Error session_ended();
/// LS-V537: a comparison's request or answer of so many bytes is not sent; its table is compared no
/// further, and nothing else ends.
[[nodiscard]] Error too_large_to_compare(wire::Kind kind, std::size_t bytes);
/// Capture's refusal. What ails the source is capture's to report and a person's to mend there;
/// apply then goes on by itself. In one process capture has ended the run before this is asked
/// again.
[[nodiscard]] Error refusal_of_capture(std::string_view body);

/// What the other end sent was not what it should have been; LS-W508 and W509 tell of silence and
/// farewell.
[[nodiscard]] bool is_not_understood(const Error& error);

}  // namespace lockstep::ops

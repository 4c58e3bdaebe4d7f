// The one error class, and check() for promises of our own.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace lockstep {

/// Process exit codes. They are a public contract: see GUIDE.md, "Exit codes".
enum class ExitCode : int {
  done = 0,
  bug = 1,
  usage = 2,
  precondition = 3,
  different = 4,
  unreachable = 5,
  timed_out = 6,
  stopped = 7,
  busy = 8,
  waived = 9,
  interrupted = 130,
  terminated = 143,
};

/// What kind of second try makes sense. Callers switch on this, never on text.
enum class Retry {
  never,         ///< a person must act first
  same_session,  ///< the same work again, on the same connection (deadlock, serialization failure)
  new_session,   ///< reconnect, read the ledger, go on from there (also what "in doubt" means)
};

/// A column of a followed table, by the table's number.
struct ColumnPlace {
  std::uint32_t table = 0;
  std::string column{};  ///< as SQLite stored it
  auto operator<=>(const ColumnPlace&) const = default;
};

/// Everything an operator needs, in the order it is printed: what, why, data, todo. A line may be
/// empty.
struct ErrorFacts {
  std::string code{};  ///< ours, "LS-T201"; stable
  ExitCode exit = ExitCode::bug;
  std::string what{};     ///< what happened, naming the object
  std::string why{};      ///< the cause, with the foreign text (already redacted)
  std::string data{};     ///< what it means for the data
  std::string todo{};     ///< what to do next, with commands
  std::string foreign{};  ///< SQLSTATE or SQLite extended code; empty if the error is ours
  Retry retry = Retry::never;
  /// Of LS-D421: the column that becomes text before the next try. Stays in this process.
  std::optional<ColumnPlace> becomes_text{};
};

class Error : public std::runtime_error {
 public:
  explicit Error(ErrorFacts facts);
  [[nodiscard]] const ErrorFacts& facts() const noexcept { return facts_; }
  [[nodiscard]] const std::string& code() const noexcept { return facts_.code; }
  [[nodiscard]] const std::string& foreign() const noexcept { return facts_.foreign; }
  [[nodiscard]] Retry retry() const noexcept { return facts_.retry; }

 private:
  ErrorFacts facts_;
};

/// Stops the process if `holds` is false: for our own mistakes, in release builds too. The world's
/// mistakes are Errors.
inline void check(bool holds, const char* promise, const char* file = __builtin_FILE(),
                  int line = __builtin_LINE());

[[noreturn]] void broken_promise(const char* promise, const char* file, int line);

inline void check(bool holds, const char* promise, const char* file, int line) {
  if (!holds) broken_promise(promise, file, line);
}

}  // namespace lockstep

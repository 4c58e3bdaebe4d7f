// The parameters of a batch's statements, in binary, and what it means if the first of them is
// refused. For the applier alone.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/postgres/encode.hpp"
#include "link/wire/control.hpp"
#include "model/error.hpp"
#include "model/position.hpp"
#include "model/row_stream.hpp"

namespace lockstep::apply {

// The bytes of several parameters in one buffer; views are made when the buffer no longer moves.
class Parameters {
 public:
  void add(const ValueView& value, ColumnType type) {
    if (value.kind == ValueClass::null) {
      ends_.push_back(kNull);
      return;
    }
    postgres::append_raw(bytes_, value, type);
    ends_.push_back(bytes_.size());
  }
  void add_raw(std::string_view bytes) {
    bytes_.append(bytes);
    ends_.push_back(bytes_.size());
  }
  void add(std::int64_t number) {
    put_u64(bytes_, static_cast<std::uint64_t>(number));
    ends_.push_back(bytes_.size());
  }
  /// Differs where any value does.
  [[nodiscard]] std::string joined() const {
    std::string text = bytes_;
    for (const std::size_t end : ends_) put_u64(text, end);
    return text;
  }
  [[nodiscard]] const std::vector<postgres::BinaryParameter>& views() {
    views_.clear();
    std::size_t at = 0;
    for (const std::size_t end : ends_) {
      if (end == kNull) {
        views_.emplace_back(std::nullopt);
        continue;
      }
      views_.emplace_back(std::string_view(bytes_).substr(at, end - at));
      at = end;
    }
    return views_;
  }

 private:
  static constexpr std::size_t kNull = static_cast<std::size_t>(-1);
  std::string bytes_;
  std::vector<std::size_t> ends_;
  std::vector<postgres::BinaryParameter> views_;
};

inline std::string_view era_bytes(const Era& era) {
  return {reinterpret_cast<const char*>(era.bytes.data()), era.bytes.size()};
}

inline Parameters advance_parameters(const wire::BatchBegin& batch, const wire::BatchEnd& end) {
  Parameters parameters;
  parameters.add_raw(era_bytes(end.to.era));
  parameters.add(end.to.seq);
  parameters.add(end.to.identity);
  parameters.add(end.to.seq - batch.from.seq);
  parameters.add(end.wall_us);
  parameters.add_raw(era_bytes(batch.from.era));
  parameters.add(batch.from.seq);
  parameters.add(batch.from.identity);
  return parameters;
}

[[noreturn]] inline void throw_position_moved(const wire::BatchBegin& batch) {
  throw Error(
      {.code = "LS-R705",
       .exit = ExitCode::busy,
       .what = "the target is not where this batch starts",
       .why = fmt::format("the ledger no longer says {}: another applier is at work, or this batch "
                          "came twice",
                          to_string(batch.from)),
       .data = "the batch was refused as a whole (compare-and-set)",
       .todo = "nothing; lockstep reads the ledger and goes on from there",
       .retry = Retry::new_session});
}

}  // namespace lockstep::apply

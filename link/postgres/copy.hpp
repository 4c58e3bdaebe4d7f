// One COPY .. FROM STDIN in binary format, and one COPY .. TO STDOUT.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "link/postgres/connection.hpp"

namespace lockstep::postgres {

/// begin in the constructor, put() any number of times, then finish() or let it go: a CopyIn
/// destroyed without finish() tells the server to fail the COPY, so the transaction is aborted.
class CopyIn {
 public:
  /// `sql` is "COPY t(a,b) FROM STDIN (FORMAT binary)". Sends the binary header.
  CopyIn(Connection& connection, const std::string& sql);
  ~CopyIn();
  CopyIn(const CopyIn&) = delete;
  CopyIn& operator=(const CopyIn&) = delete;

  /// Whole or partial tuples in binary COPY format.
  void put(std::string_view tuples);
  /// Sends the trailer, waits. Returns the rows the server counted. Throws Error as to_error()
  /// says.
  std::int64_t finish();

 private:
  void flush();
  Connection& connection_;
  std::string buffer_;  ///< small puts gathered, so that few messages are sent
  bool open_ = true;
};

struct FreeCopyBuffer {
  void operator()(char* buffer) const noexcept;
};

/// Streams the rows of "COPY (SELECT ...) TO STDOUT (FORMAT binary)". Destroyed before the end it
/// cancels the COPY, and the transaction is aborted.
class CopyOut {
 public:
  CopyOut(Connection& connection, const std::string& sql);
  ~CopyOut();
  CopyOut(const CopyOut&) = delete;
  CopyOut& operator=(const CopyOut&) = delete;

  /// The fields of the next row as raw binary values (nothing: NULL); false at the end. Views live
  /// until the next call.
  [[nodiscard]] bool next(std::vector<std::optional<std::string_view>>& fields);

 private:
  std::string_view take(std::size_t bytes) {
    if (rest_.size() < bytes) throw_too_short(bytes);
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  [[noreturn]] void throw_too_short(std::size_t bytes) const;
  bool fetch();
  Connection& connection_;
  std::unique_ptr<char, FreeCopyBuffer> buffer_;
  std::string_view rest_;  ///< of buffer_, not yet read
  bool header_read_ = false;
  bool done_ = false;
};

}  // namespace lockstep::postgres

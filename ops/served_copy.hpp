// What capture, as a process of its own, sees of the copy that it serves: rows as they are sent.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "capture/install.hpp"
#include "link/wire/control.hpp"
#include "ops/board.hpp"

namespace lockstep::ops {

/// One thread; Board must outlive it.
class ServedCopy {
 public:
  /// Apply asks for these parts. A table that none of them is of is on the target.
  ServedCopy(const std::vector<wire::CopyRequest>& parts, const capture::Installed& installed,
             Board& board);

  /// A chunk of the part (its place in the request) goes out. It is durable a few MiB later: apply
  /// gives no more credit than that.
  void sent(const wire::ChunkEnd& end);

 private:
  std::vector<std::uint32_t> tables_;                // by part
  std::map<std::uint32_t, std::size_t> parts_left_;  // by table
  Board& board_;
};

}  // namespace lockstep::ops

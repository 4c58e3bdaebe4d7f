// Which processes of this host have a file open; what this one may not look into stays unseen.
#pragma once

#include <string>
#include <vector>

namespace lockstep::ops {

/// "uid 1001, pid 4410 (celery)", by pid; no lockstep. Empty if nobody has, or nobody is seen.
[[nodiscard]] std::vector<std::string> who_has_open(const std::string& path);

}  // namespace lockstep::ops

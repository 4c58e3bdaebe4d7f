// What --version says: ours and the libraries' we run with.
#pragma once

#include <string>

namespace lockstep::ops {

[[nodiscard]] std::string version_text();

}  // namespace lockstep::ops

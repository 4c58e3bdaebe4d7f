// `lockstep ddl hold` and `accept` on the target: the guard is open in between.
#pragma once

#include <string>

#include "capture/install.hpp"
#include "ops/screen.hpp"

namespace lockstep::ops {

/// `target` as typed. Empty: the one that the source knows; if that cannot be reached, or nobody
/// knows one, the guard stays as it is and a note says so. A target that was typed and cannot be
/// reached, or has no ledger of this source (LS-R712), is an Error.
void hold_target_guard(const capture::Installed& installed, const std::string& target, bool held,
                       Screen& screen);

}  // namespace lockstep::ops

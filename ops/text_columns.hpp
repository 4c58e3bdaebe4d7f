// A column whose owner lets it become text, and that got a value of another kind while it was
// followed: the capturing end gives it the plan that it would have had from the start.
#pragma once

#include <string>
#include <vector>

#include "capture/install.hpp"
#include "link/wire/control.hpp"
#include "ops/board.hpp"

namespace lockstep::ops {

/// Whether the column still is what did not hold the value. Each wish is granted once: afterwards
/// it has another type, or a rule that makes text of everything.
[[nodiscard]] bool is_wanted(const capture::Installed& installed, const wire::TextWish& wish);

/// Plans the table anew, with that column as text, and takes the plan over in the source together
/// with a mark that the table is to be read anew; `installed` is up to date afterwards. Reads every
/// value of the table. Returns what to tell; nothing unless it is_wanted(): then nothing was done.
/// Throws LS-D422 if the column cannot be text exactly (it holds blobs, is in the key, or the table
/// was on the target before), LS-S306 (new session) if the schema is about to be followed.
[[nodiscard]] std::vector<Note> turn_into_text(const std::string& path,
                                               capture::Installed& installed,
                                               const wire::TextWish& wish);

}  // namespace lockstep::ops

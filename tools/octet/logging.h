#pragma once

#include "base/log.h"
#include "tools/octet/progress.h"

namespace octet::cli {

/// Sends the library's notices to stderr, those of `level` and above, one line each. `bar` makes
/// room for them and must outlive the handler.
void install_logger(LogLevel level, ProgressBar& bar);

/// "octet: error: MESSAGE" on stderr.
void log_error(const std::string& message);

}  // namespace octet::cli

// What a file is that was taken for another kind, for messages.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace resgrad {

/// What a file that begins with `bytes` seems to be, such as "a ZIP archive"; nothing when it is
/// not one of the kinds that are known here. 262 bytes suffice for all.
std::string_view kind_of_bytes(std::string_view bytes);

/// The same for what is at `path`, folders and empty files included.
std::string_view file_kind(const std::filesystem::path& path);

/// Whether `kind`, a result of file_kind(), is one that PyTorch's torch.save() writes or has
/// written.
bool is_pytorch(std::string_view kind);

}  // namespace resgrad

// Finding the files of CIFAR, and saying what was found instead.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace resgrad::data {

/// How a version of CIFAR is laid out, in its binary form and in its Python form.
struct CifarLayout {
  std::string op;                         ///< "cifar10": begins the messages
  std::string binary_folder;              ///< as the archive unpacks to
  std::vector<std::string> python_files;  ///< in one folder: the Python form
};

/// `folder` or the part of it named layout.binary_folder, whichever holds `file`.
/// Throws  IoError that says what was found: a folder that cannot be read, a file, the data in
///         another folder below (three levels are searched), its Python form or an archive that is
///         not unpacked, with the command that makes it readable.
std::filesystem::path find_cifar(const CifarLayout& layout, const std::filesystem::path& folder,
                                 const std::string& file);

}  // namespace resgrad::data

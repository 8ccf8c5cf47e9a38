#include "train/io/file_kind.h"

#include <array>
#include <fstream>

namespace resgrad {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kZip = "a ZIP archive, as torch.save() writes it";
constexpr std::string_view kPickle = "a Python pickle, as old versions of torch.save() write it";

struct Mark {
  std::size_t position;
  std::string_view bytes, kind;
};

constexpr std::array kMarks = {
    Mark{0, "PK\x03\x04"sv, kZip},
    Mark{0, "\x80\x02\x8a\x0a"sv, kPickle},  // protocol 2 and a long integer: torch's magic number
    Mark{0, "\x80\x04\x95"sv, "a Python pickle"},
    Mark{0, "\x1f\x8b\x08"sv, "a gzip archive"},
    Mark{0, "BZh"sv, "a bzip2 archive"},
    Mark{0,
         "\xfd"
         "7zXZ\0"sv,
         "an xz archive"},
    Mark{0, "\x28\xb5\x2f\xfd"sv, "a zstd archive"},
    Mark{257, "ustar"sv, "a tar archive"},
    Mark{0, "\x89HDF\r\n\x1a\n"sv, "an HDF5 file"},
    Mark{0, "\x89PNG\r\n\x1a\n"sv, "a PNG image"},
    Mark{0, "\xff\xd8\xff"sv, "a JPEG image"},
    Mark{0, "<!DOCTYPE"sv, "an HTML page"},
    Mark{0, "<!doctype"sv, "an HTML page"},
    Mark{0, "<html"sv, "an HTML page"},
    Mark{0, "version https://git-lfs"sv, "a pointer of Git LFS to the file"},
    Mark{0, "{"sv, "JSON text"},
};

}  // namespace

std::string_view kind_of_bytes(std::string_view bytes) {
  for (const Mark& mark : kMarks) {
    if (bytes.size() >= mark.position && bytes.substr(mark.position).starts_with(mark.bytes)) {
      return mark.kind;
    }
  }
  return "";
}

std::string_view file_kind(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return "a folder";
  std::ifstream in(path, std::ios::binary);
  if (!in.is_open()) return "";
  std::array<char, 262> bytes{};
  in.read(bytes.data(), bytes.size());
  if (in.gcount() == 0) return "an empty file";
  return kind_of_bytes({bytes.data(), static_cast<std::size_t>(in.gcount())});
}

bool is_pytorch(std::string_view kind) {
  return kind == kZip || kind == kPickle;
}

}  // namespace resgrad

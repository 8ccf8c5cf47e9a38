// A data set of the user's own: a folder with a folder of image files for each class.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace resgrad::data {

struct FolderOptions {
  int image_size = 32;         ///< height and width that all images get, 1 to 4096
  bool skip_damaged = false;   ///< leave out images that cannot be read, with a warning
  bool exif_transpose = true;  ///< turn photographs as their EXIF orientation says
  /// Where the decoded images are kept for the next time; empty: in the folder above `part`.
  std::filesystem::path cache_folder = {};
  bool write_cache = true;  ///< without, a cache that is there is read all the same
  /// The classes in the order of their labels; empty: the folders in `part`, sorted.
  std::vector<std::string> classes = {};
};

/// Reads the .png, .jpg and .jpeg files (small or capital letters) in `part`/CLASS and the folders
/// below it: those of a class sorted by name, and each class spread evenly over all images, so that
/// the first have all classes. Each image is resized so that its shorter side has image_size pixels
/// and cropped to the square in the middle, value for value as torchvision's Resize and CenterCrop,
/// by all threads of OpenMP. Links are followed, but for those to a folder around them. If every
/// file could be read, the result is kept in a file of the cache folder and read from there as long
/// as options and the names, sizes and times of the files are the same. Warnings: images that were
/// left out, files that are no images by name (other than hidden ones), and a cache that could not
/// be written.
/// Throws  IoError for a folder that is missing or cannot be read, for a folder that is none of the
///         classes, for one without images where `classes` is empty, and for damaged images, all of
///         which it names; ValueError for less than 1 or more than 256 classes and an image_size
///         out of range.
Dataset load_folder(const std::filesystem::path& part, const FolderOptions& options);

/// The names of the folders in `part`, sorted, without hidden ones.
/// Throws  IoError for a folder that is missing or cannot be read.
std::vector<std::string> folder_classes(const std::filesystem::path& part);

}  // namespace resgrad::data

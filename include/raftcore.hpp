// SPDX-License-Identifier: Apache-2.0
#ifndef RAFTCORE_HPP
#define RAFTCORE_HPP

/// \file
/// raftcore.h for C++17: owners, views, exceptions, and nothing else. This is the header to include.
///
/// Errors are thrown as raftcore::Error. Views (raftcore::Span, std::string_view) never copy; they live as
/// long as what raftcore.h says of the struct behind them. Every class is a thin skin: handle() gives what is
/// underneath, and both interfaces may be mixed.
///
/// The methods of raftcore::Storage, raftcore::Host and raftcore::Observer may throw: an exception never reaches
/// the library below, which is not C++. Destructors and move constructors of what is handed over must not.

#include "raftcore.h"
#include "raftcore/encoding.hpp"
#include "raftcore/error.hpp"
#include "raftcore/host.hpp"
#include "raftcore/membership.hpp"
#include "raftcore/memory_storage.hpp"
#include "raftcore/node.hpp"
#include "raftcore/observer.hpp"
#include "raftcore/owned.hpp"
#include "raftcore/ready.hpp"
#include "raftcore/recovery.hpp"
#include "raftcore/storage.hpp"
#include "raftcore/storage_check.hpp"
#include "raftcore/view.hpp"

/// raftcore.h for C++17.
namespace raftcore {}

#endif  // RAFTCORE_HPP

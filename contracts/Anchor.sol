// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Anchors of append-only ledgers
/// @notice Keeps one word for each account: the digest that it anchored last. Nobody owns this
///         contract, nobody can change it, and no account can touch the word of another.
/// @dev An anchor is read from storage by a Merkle-Patricia proof (eth_getProof), which verifies
///      offline and pins the block; so there is no event, which would cost gas and prove less.
///      The mapping has to stay in slot 0: the slot of an account is keccak256(account . 0).
///      It takes no value, calls nothing, and has no loop.
contract Anchor {
    /// @notice The digest that an account anchored last; zero if none.
    mapping(address account => bytes32 digest) public anchors;

    /// @notice Anchors a digest for the sender, in place of the last one.
    /// @param digest SHA-256 of the body of a ledger's checkpoint: origin, size and root.
    function anchor(bytes32 digest) external {
        anchors[msg.sender] = digest;
    }
}

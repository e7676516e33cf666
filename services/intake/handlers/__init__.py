"""What intake does: accepting reports, telling by receipt, opening content for those who may, following cases."""

//! All that the engine promises, for databases that are servers: on each the same.

use crate::{entries, erased, indexes, many, place::Place, queues, quotas, tree, triggers, watches};

/// Each in a place of its own.
pub(crate) async fn everything_holds_in<F: Future<Output = Place>>(place: impl Fn() -> F) {
    entries::what_is_written_is_read_also_after_a_restart_in(place().await).await;
    entries::lists_are_in_order_by_prefix_and_range_in(place().await).await;
    entries::checks_hold_or_nothing_happens_in(place().await).await;
    entries::mutations_of_one_key_follow_each_other_in(place().await).await;
    entries::the_commit_can_be_part_of_a_key_in(place().await).await;
    entries::what_has_expired_is_never_seen_and_is_swept_away_in(place().await).await;
    entries::limits_are_said_in_denos_words_in(place().await).await;
    entries::namespaces_are_apart_and_have_quotas_in(place().await).await;
    quotas::what_expires_is_counted_once_and_not_for_ever_in(place().await).await;
    quotas::a_quota_holds_on_every_node_from_the_next_write_on_in(place().await).await;
    quotas::dead_letters_keep_to_it_and_are_kept_in(place().await).await;
    tree::what_stands_below_a_prefix_is_found_once_each_in(place().await).await;
    watches::keys_are_told_now_and_when_they_change_in(place().await).await;
    watches::a_prefix_is_told_of_what_is_below_it_in(place().await).await;
    queues::messages_come_by_priority_then_by_time_and_not_before_it_in(place().await).await;
    queues::a_lease_ends_and_only_its_holder_finishes_in(place().await).await;
    queues::who_has_messages_is_told_which_are_still_its_own_in(place().await).await;
    queues::who_never_answers_does_not_loop_for_ever_in(place().await).await;
    queues::failures_follow_the_schedule_and_end_as_dead_letters_in(place().await).await;
    queues::a_dead_letter_leaves_what_is_unique_so_in(place().await).await;
    queues::one_message_for_a_deduplication_key_in(place().await).await;
    indexes::texts_are_found_ranked_and_marked_in(place().await).await;
    indexes::entries_are_listed_by_their_values_in(place().await).await;
    indexes::what_is_unique_stays_so_in(place().await).await;
    indexes::counts_are_exact_at_any_moment_in(place().await).await;
    indexes::whoever_writes_keeps_them_in(place().await).await;
    indexes::what_another_node_declares_is_honoured_in(place().await).await;
    triggers::changes_are_told_once_as_their_commit_left_them_in(place().await).await;
    erased::ranges_are_deleted_whole_or_in_parts_in(place().await).await;
    erased::what_changed_since_it_was_seen_is_judged_anew_in(place().await).await;
    erased::indexes_quotas_watches_and_triggers_are_told_in(place().await).await;
}

/// The same of many at once.
pub(crate) async fn it_holds_for_many_in<F: Future<Output = Place>>(place: impl Fn() -> F) {
    many::of_all_that_check_the_same_one_wins_in(place().await).await;
    many::money_is_moved_and_never_made_in(place().await).await;
    many::who_goes_away_leaves_no_half_in(place().await).await;
    watches::the_last_state_is_never_lost_in(place().await).await;
    queues::who_waits_is_woken_and_everything_comes_once_in(place().await).await;
    indexes::of_many_that_want_the_same_one_gets_it_in(place().await).await;
    indexes::writers_go_on_while_an_index_is_built_in(place().await).await;
    indexes::a_build_goes_on_after_a_restart_in(place().await).await;
    triggers::they_come_in_the_order_of_commits_and_none_is_lost_in(place().await).await;
}

"""Use cases: admit, push, acknowledge, resolve, feedback, reconcile, explain. One public function each."""

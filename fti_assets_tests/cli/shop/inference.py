from fti_assets import batch_inference, code_location, performance_monitoring
from fti_assets_tests.cli.shop.contracts import MONITOR, PREDICTIONS

purchase_predictions = batch_inference(PREDICTIONS)
purchase_monitoring = performance_monitoring(MONITOR)
defs = code_location(__name__, name="shop_inference")
